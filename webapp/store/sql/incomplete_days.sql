-- The hours and days from `since` to `until` with a shown run of which not all rollups are stored: those hours
-- and days cannot be derived again as they were.
SELECT DISTINCT
    step AS period,
    date_trunc(step, runs.slot, 'UTC') AS starts_at,
    runs.source,
    runs.scenario_id,
    runs.llm_id,
    true AS is_incomplete
FROM runs
LEFT JOIN LATERAL (SELECT sum(n) AS n FROM rollups WHERE run_id = runs.id) AS kept ON true
CROSS JOIN unnest(ARRAY['hour', 'day']) AS step
WHERE runs.status = 'finished'
  AND runs.generation IS NOT NULL
  AND runs.slot >= %(since)s
  AND runs.slot < %(until)s
  AND coalesce(kept.n, 0) <> coalesce(runs.points, kept.n, -1)
