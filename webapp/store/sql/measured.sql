-- The histograms of all measured values: the window `all`, whose counts never decrease.
SELECT
    scenarios.name AS scenario,
    llms.name AS llm_name,
    llms.provider,
    coalesce(scenarios.definition ->> 'api', 'chat') AS api,
    metrics.name AS metric_name,
    rollups.n,
    rollups.mean,
    (rollups.histogram).low,
    (rollups.histogram).counts
FROM period_rollups AS rollups
JOIN metrics ON metrics.id = rollups.metric_id
JOIN scenarios ON scenarios.id = rollups.scenario_id
JOIN llms ON llms.id = rollups.llm_id
WHERE rollups.period = 'all'
  AND rollups.source = 'measurement'
  AND metrics.name = ANY(%(metric_names)s)
ORDER BY metrics.id, scenario, llm_name
