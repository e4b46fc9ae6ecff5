-- The rows of period_rollups that differ from what their parts give, or are missing, or have no parts. Sums of
-- float8 depend on their order a little: means may differ by 1e-9 of the greatest value, m2 by 1e-12 of the sum
-- of its squares. Rows whose parts are incomplete are not compared, unless their values are impossible.
WITH derived AS MATERIALIZED ({derived}),
stored AS MATERIALIZED (SELECT * FROM period_rollups AS stored WHERE {scope}),
incomplete AS MATERIALIZED ({incomplete})
SELECT
    CASE period
        WHEN 'hour' THEN to_char(starts_at AT TIME ZONE 'UTC', '"hour" YYYY-MM-DD HH24:MI')
        WHEN 'day' THEN to_char(starts_at AT TIME ZONE 'UTC', '"day" YYYY-MM-DD')
        ELSE 'window ' || period
    END,
    source,
    scenarios.name,
    llms.name,
    metrics.name,
    columns,
    to_jsonb(compared.stored),
    to_jsonb(compared.derived)
FROM (
    SELECT
        period, starts_at, source, scenario_id, llm_id, metric_id, stored, derived,
        CASE WHEN stored.n IS NOT NULL AND derived.n IS NOT NULL THEN array_remove(ARRAY[
            CASE WHEN stored.oldest <> derived.oldest THEN 'oldest' END,
            CASE WHEN stored.newest <> derived.newest THEN 'newest' END,
            CASE WHEN stored.runs <> derived.runs THEN 'runs' END,
            CASE WHEN stored.n <> derived.n THEN 'n' END,
            CASE WHEN abs(stored.mean - derived.mean) > 1e-9 * scale THEN 'mean' END,
            CASE
                WHEN abs(stored.m2 - derived.m2) > 1e-9 * derived.m2 + 1e-12 * derived.n * scale ^ 2 THEN 'm2'
            END,
            CASE WHEN stored.min <> derived.min THEN 'min' END,
            CASE WHEN stored.max <> derived.max THEN 'max' END,
            CASE
                WHEN abs(stored.run_weight - derived.run_weight) > 1e-9 * derived.run_weight THEN 'run_weight'
            END,
            CASE WHEN abs(stored.run_mean - derived.run_mean) > 1e-9 * scale THEN 'run_mean' END,
            CASE
                WHEN abs(stored.run_m2 - derived.run_m2)
                    > 1e-9 * derived.run_m2 + 1e-12 * derived.run_weight * scale ^ 2
                THEN 'run_m2'
            END,
            CASE WHEN stored.histogram <> derived.histogram THEN 'histogram' END
        ], NULL) END AS columns
    FROM stored
    FULL JOIN derived USING (period, starts_at, source, scenario_id, llm_id, metric_id)
    LEFT JOIN incomplete USING (period, starts_at, source, scenario_id, llm_id)
    CROSS JOIN LATERAL (SELECT greatest(abs(derived.min), abs(derived.max)) AS scale) AS size
    WHERE stored.n IS NULL OR is_incomplete IS NULL OR {damaged}
) AS compared
JOIN scenarios ON scenarios.id = scenario_id
JOIN llms ON llms.id = llm_id
JOIN metrics ON metrics.id = metric_id
WHERE columns IS NULL OR columns <> '{{}}'
ORDER BY period, starts_at, source, scenario_id, llm_id, metric_id
