-- One row for each scenario, metric and ranked LLM in one window and source; the caller adds which scenarios.
-- Confidence intervals are clipped to the metric's bounds. That of a single search for the capacity is its bracket.
SELECT
    means.scenario_id,
    metrics.name AS metric_name,
    llms.name AS llm_name,
    llms.company_name,
    llms.provider,
    means.runs,
    means.n,
    means.mean,
    CASE WHEN means.ci_low < metrics.lower_bound THEN metrics.lower_bound ELSE coalesce(means.ci_low, bracket.low) END,
    CASE WHEN means.ci_high > metrics.upper_bound THEN metrics.upper_bound ELSE coalesce(means.ci_high, bracket.high) END,
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
-- Of a single search, whose one value has no spread.
LEFT JOIN LATERAL (
    SELECT
        (measurement #>> '{capacity_bounds,0}')::float8 AS low,
        (measurement #>> '{capacity_bounds,1}')::float8 AS high
    FROM runs
    WHERE metrics.name = 'capacity' AND means.n = 1
      AND runs.source = means.source AND runs.scenario_id = means.scenario_id AND runs.llm_id = means.llm_id
      AND runs.slot = means.last_measured
) AS bracket ON true
WHERE means.time_window = %(window)s
  AND means.source = %(source)s
  AND metrics.name = ANY(%(metric_names)s)
  AND llms.archived_at IS NULL
