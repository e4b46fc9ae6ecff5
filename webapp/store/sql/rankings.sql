-- The ranking of each asked metric: its LLMs by descending mean of their latest finished simulated run.
-- Equal means stand in the order of names, so that the answer is the same each time.
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
