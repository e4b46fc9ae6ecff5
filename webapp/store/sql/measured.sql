-- The histograms of all that was ever measured: the window `all`, whose counts only grow.
SELECT
    workloads.name AS workload,
    llms.name AS llm_name,
    llms.provider,
    metrics.name AS metric_name,
    rollups.n,
    rollups.mean,
    (rollups.histogram).low,
    (rollups.histogram).counts
FROM period_rollups AS rollups
JOIN metrics ON metrics.id = rollups.metric_id
JOIN workloads ON workloads.id = rollups.workload_id
JOIN llms ON llms.id = rollups.llm_id
WHERE rollups.period = 'all'
  AND rollups.source = 'measurement'
  AND metrics.name = ANY(%(metric_names)s)
ORDER BY metrics.id, workload, llm_name
