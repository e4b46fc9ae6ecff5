-- The remaining parts of the windows given by their keys: runs, hours or days.
WITH expired AS (
    SELECT *
    FROM unnest(
        %(period)s::text[],
        %(source)s::text[],
        %(scenario_id)s::integer[],
        %(llm_id)s::integer[],
        %(metric_id)s::integer[]
    ) AS keys (period, source, scenario_id, llm_id, metric_id)
    JOIN ({windows}) AS windows USING (period)
)
SELECT expired.period, '-infinity'::timestamptz AS starts_at, run.*
FROM expired
JOIN (
    {run_rollups}
    WHERE runs.generation IS NOT NULL
      AND runs.slot >= (SELECT since FROM ({windows}) AS windows WHERE parts = 'run')
) AS run USING (source, scenario_id, llm_id, metric_id)
WHERE expired.parts = 'run'
UNION ALL
SELECT expired.period, '-infinity', part.*
FROM expired
CROSS JOIN LATERAL (
    SELECT
        source, scenario_id, llm_id, metric_id, oldest, newest, runs, n, mean, m2, min, max, run_weight,
        run_mean, run_m2, histogram
    FROM period_rollups
    WHERE period = expired.parts
      AND source = expired.source
      AND scenario_id = expired.scenario_id
      AND llm_id = expired.llm_id
      AND metric_id = expired.metric_id
      AND starts_at >= expired.since
    OFFSET 0 -- keeps the planner from joining all of history first
) AS part
