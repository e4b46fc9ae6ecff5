-- The rollups of all shown runs within the given parts, which parts_of_runs.sql has found.
SELECT part.period, part.starts_at, run.*
FROM unnest(
    %(period)s::text[],
    %(starts_at)s::timestamptz[],
    %(since)s::timestamptz[],
    %(until)s::timestamptz[],
    %(source)s::text[],
    %(scenario_id)s::integer[],
    %(llm_id)s::integer[]
) AS part (period, starts_at, since, until, source, scenario_id, llm_id)
JOIN ({run_rollups} WHERE runs.generation IS NOT NULL) AS run USING (source, scenario_id, llm_id)
WHERE run.newest >= part.since AND run.newest < part.until
