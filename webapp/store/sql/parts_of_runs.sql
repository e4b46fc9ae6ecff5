-- The hours and days of the given runs, and `latest` where one of them is its LLM's newest: of runs that are shown,
-- and only where all runs of the part still have their rollups. Values lie from `since` to before `until`.
SELECT DISTINCT
    part.period,
    part.starts_at::text, -- since psycopg2 has no -infinity
    part.since,
    part.until,
    changed.source,
    changed.scenario_id,
    changed.llm_id
FROM runs AS changed
CROSS JOIN LATERAL (
    SELECT
        step AS period,
        date_trunc(step, changed.slot, 'UTC') AS starts_at,
        date_trunc(step, changed.slot, 'UTC') AS since,
        date_trunc(step, changed.slot, 'UTC')
            + CASE step WHEN 'hour' THEN interval '1 hour' ELSE interval '24 hours' END AS until
    FROM unnest(ARRAY['hour', 'day']) AS step
    UNION ALL
    SELECT 'latest', '-infinity', changed.slot, changed.slot + interval '1 microsecond'
    WHERE NOT EXISTS (
        SELECT FROM runs AS newer
        WHERE newer.source = changed.source
          AND newer.scenario_id = changed.scenario_id
          AND newer.llm_id = changed.llm_id
          AND newer.slot > changed.slot
          AND newer.status = 'finished'
          AND newer.generation IS NOT NULL
    )
) AS part
WHERE changed.id = ANY(%(run_ids)s)
  AND changed.status = 'finished'
  AND changed.generation IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM runs AS other
    WHERE other.source = changed.source
      AND other.scenario_id = changed.scenario_id
      AND other.llm_id = changed.llm_id
      AND other.slot >= part.since
      AND other.slot < part.until
      AND other.status = 'finished'
      AND other.generation IS NOT NULL
      AND NOT EXISTS (SELECT FROM rollups WHERE rollups.run_id = other.id)
  )
