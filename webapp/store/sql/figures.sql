-- The figures of the leaderboard in the given windows, for every source and scenario.
SELECT
    means.time_window,
    means.source,
    scenarios.name AS scenario,
    llms.name AS llm_name,
    metrics.name AS metric_name,
    means.mean,
    quantiles.p50,
    quantiles.p95,
    quantiles.p99
FROM metric_means AS means
JOIN metric_quantiles AS quantiles USING (time_window, source, scenario_id, llm_id, metric_id)
JOIN metrics ON metrics.id = means.metric_id
JOIN scenarios ON scenarios.id = means.scenario_id
JOIN llms ON llms.id = means.llm_id
WHERE means.time_window = ANY(%(windows)s)
  AND llms.archived_at IS NULL
ORDER BY means.metric_id, means.time_window, means.source, scenario, llm_name
