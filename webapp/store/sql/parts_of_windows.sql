-- The parts of every window: the newest run for `latest`; runs, hours or days for the others. A stored window that
-- has not been slid yet still begins with its oldest part.
SELECT 'latest' AS period, '-infinity'::timestamptz AS starts_at, run.*
FROM (
    {run_rollups}
    WHERE runs.id IN (
        SELECT DISTINCT ON (source, scenario_id, llm_id) id
        FROM runs
        WHERE status = 'finished' AND generation IS NOT NULL
        ORDER BY source, scenario_id, llm_id, slot DESC
    )
) AS run
UNION ALL
SELECT windows.period, '-infinity', run.*
FROM ({windows}) AS windows
CROSS JOIN (
    {run_rollups}
    WHERE runs.status = 'finished'
      AND runs.generation IS NOT NULL
      AND runs.slot >= (
          SELECT least(min(since), min(oldest))
          FROM ({windows}) AS windows
          LEFT JOIN period_rollups USING (period)
          WHERE parts = 'run'
      )
) AS run
LEFT JOIN period_rollups AS stored
    USING (period, source, scenario_id, llm_id, metric_id)
WHERE windows.parts = 'run'
  AND run.newest >= least(windows.since, stored.oldest)
UNION ALL
SELECT
    windows.period, '-infinity', part.source, part.scenario_id, part.llm_id, part.metric_id, part.oldest,
    part.newest, part.runs, part.n, part.mean, part.m2, part.min, part.max, part.run_weight, part.run_mean,
    part.run_m2, part.histogram
FROM ({windows}) AS windows
JOIN period_rollups AS part ON part.period = windows.parts
LEFT JOIN period_rollups AS stored
    ON stored.period = windows.period
    AND stored.source = part.source
    AND stored.scenario_id = part.scenario_id
    AND stored.llm_id = part.llm_id
    AND stored.metric_id = part.metric_id
WHERE part.starts_at >= least(windows.since, date_trunc(part.period, stored.oldest, 'UTC'))
