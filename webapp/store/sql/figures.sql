-- The leaderboard's figures in some windows, of every source and workload.
SELECT
    means.time_window,
    means.source,
    workloads.name AS workload,
    llms.name AS llm_name,
    metrics.name AS metric_name,
    means.mean,
    quantiles.p50,
    quantiles.p95,
    quantiles.p99
FROM metric_means AS means
JOIN metric_quantiles AS quantiles USING (time_window, source, workload_id, llm_id, metric_id)
JOIN metrics ON metrics.id = means.metric_id
JOIN workloads ON workloads.id = means.workload_id
JOIN llms ON llms.id = means.llm_id
WHERE means.time_window = ANY(%(windows)s)
  AND llms.archived_at IS NULL
ORDER BY means.metric_id, means.time_window, means.source, workload, llm_name
