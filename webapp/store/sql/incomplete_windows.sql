-- The windows with a shown run whose part is not stored, so that they cannot be derived again as they were.
SELECT DISTINCT
    windows.period,
    '-infinity'::timestamptz AS starts_at,
    runs.source,
    runs.scenario_id,
    runs.llm_id,
    true AS is_incomplete
FROM ({windows}) AS windows
JOIN runs ON runs.slot >= windows.since
WHERE windows.parts <> 'run'
  AND runs.status = 'finished'
  AND runs.generation IS NOT NULL
  AND runs.points IS DISTINCT FROM 0
  AND NOT EXISTS (
    SELECT FROM period_rollups AS part
    WHERE part.period = windows.parts
      AND part.source = runs.source
      AND part.scenario_id = runs.scenario_id
      AND part.llm_id = runs.llm_id
      AND part.starts_at = date_trunc(part.period, runs.slot, 'UTC')
  )
UNION ALL
SELECT 'latest', '-infinity', source, scenario_id, llm_id, true
FROM (
    SELECT DISTINCT ON (source, scenario_id, llm_id) *
    FROM runs
    WHERE status = 'finished' AND generation IS NOT NULL
    ORDER BY source, scenario_id, llm_id, slot DESC
) AS newest
LEFT JOIN LATERAL (SELECT sum(n) AS n FROM rollups WHERE run_id = newest.id) AS kept ON true
WHERE coalesce(kept.n, 0) <> coalesce(newest.points, kept.n, -1)
