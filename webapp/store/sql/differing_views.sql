-- The rows of a materialized view that differ from its query, or are missing, or that the query does not give. The
-- query gets no rows with impossible values, for which it would fail.
SELECT
    'window ' || time_window,
    source,
    scenarios.name,
    llms.name,
    metrics.name,
    (
        SELECT array_agg(key ORDER BY key)
        FROM jsonb_each(compared.stored) AS stored
        JOIN jsonb_each(compared.derived) AS derived USING (key)
        WHERE stored.value <> derived.value
    ),
    stored,
    derived
FROM (
    SELECT
        time_window, source, scenario_id, llm_id, metric_id, to_jsonb(stored) AS stored,
        to_jsonb(derived) AS derived
    FROM {stored} AS stored
    FULL JOIN (
        WITH period_rollups AS (SELECT * FROM period_rollups AS stored WHERE NOT {damaged})
        {definition}
    ) AS derived USING (time_window, source, scenario_id, llm_id, metric_id)
) AS compared
JOIN scenarios ON scenarios.id = scenario_id
JOIN llms ON llms.id = llm_id
JOIN metrics ON metrics.id = metric_id
WHERE stored IS DISTINCT FROM derived
ORDER BY metric_id, time_window, source, scenario_id, llm_id
