-- All that the views know of one window, source and workload: a row for each metric and ranked LLM. Intervals
-- end where the values do: nothing is below 0, and no share above 1.
SELECT
    metrics.name AS metric_name,
    llms.name AS llm_name,
    llms.company_name,
    llms.provider,
    means.runs,
    means.n,
    means.mean,
    CASE WHEN means.ci_low < 0 THEN 0 ELSE means.ci_low END,
    CASE WHEN metrics.unit = 'share' AND means.ci_high > 1 THEN 1 ELSE means.ci_high END,
    means.stddev,
    means.min,
    means.max,
    quantiles.p50,
    quantiles.p90,
    quantiles.p95,
    quantiles.p99,
    means.last_measured
FROM metric_means AS means
JOIN metric_quantiles AS quantiles USING (time_window, source, workload_id, llm_id, metric_id)
JOIN metrics ON metrics.id = means.metric_id
JOIN llms ON llms.id = means.llm_id
WHERE means.time_window = %(window)s
  AND means.source = %(source)s
  AND means.workload_id = %(workload_id)s
  AND metrics.name = ANY(%(metric_names)s)
  AND llms.archived_at IS NULL
