-- The ranking of each metric: LLMs by descending mean of their latest finished simulated run, and by name where
-- means are equal, so that the order is always the same.
SELECT
    metrics.name AS metric_name,
    llms.name AS llm_name,
    metric_means.mean
FROM metric_means
JOIN metrics ON metrics.id = metric_means.metric_id
JOIN llms ON llms.id = metric_means.llm_id
JOIN scenarios ON scenarios.id = metric_means.scenario_id
WHERE metric_means.time_window = 'latest'
  AND llms.archived_at IS NULL
  AND metric_means.source = 'simulation'
  AND scenarios.name = 'default'
  AND metrics.name = ANY(%(metric_names)s)
ORDER BY metrics.id, metric_means.mean DESC, llms.name
