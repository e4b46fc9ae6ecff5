-- One row for each metric and ranked LLM in one window, source and scenario. Confidence intervals are clipped to
-- the metric's bounds.
SELECT
    metrics.name AS metric_name,
    llms.name AS llm_name,
    llms.company_name,
    llms.provider,
    means.runs,
    means.n,
    means.mean,
    CASE WHEN means.ci_low < metrics.lower_bound THEN metrics.lower_bound ELSE means.ci_low END,
    CASE WHEN means.ci_high > metrics.upper_bound THEN metrics.upper_bound ELSE means.ci_high END,
    means.stddev,
    means.min,
    means.max,
    quantiles.p50,
    quantiles.p90,
    quantiles.p95,
    quantiles.p99,
    means.last_measured
FROM metric_means AS means
JOIN metric_quantiles AS quantiles USING (time_window, source, scenario_id, llm_id, metric_id)
JOIN metrics ON metrics.id = means.metric_id
JOIN llms ON llms.id = means.llm_id
WHERE means.time_window = %(window)s
  AND means.source = %(source)s
  AND means.scenario_id = %(scenario_id)s
  AND metrics.name = ANY(%(metric_names)s)
  AND llms.archived_at IS NULL
