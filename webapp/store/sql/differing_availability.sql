-- The hours and days whose counts differ from their runs, or are missing, or have no runs.
WITH derived AS MATERIALIZED ({derived}),
stored AS MATERIALIZED (SELECT * FROM availability AS stored WHERE {scope})
SELECT
    to_char(starts_at AT TIME ZONE 'UTC', CASE period
        WHEN 'hour' THEN '"hour" YYYY-MM-DD HH24:MI'
        ELSE '"day" YYYY-MM-DD'
    END),
    source,
    scenarios.name,
    llms.name,
    columns,
    to_jsonb(compared.stored),
    to_jsonb(compared.derived)
FROM (
    SELECT
        period, starts_at, source, scenario_id, llm_id, stored, derived,
        CASE WHEN stored.finished IS NOT NULL AND derived.finished IS NOT NULL THEN array_remove(ARRAY[
            CASE WHEN stored.finished <> derived.finished THEN 'finished' END,
            CASE WHEN stored.failed <> derived.failed THEN 'failed' END,
            CASE WHEN stored.invalid <> derived.invalid THEN 'invalid' END,
            CASE WHEN stored.missed <> derived.missed THEN 'missed' END
        ], NULL) END AS columns
    FROM stored
    FULL JOIN derived USING (period, starts_at, source, scenario_id, llm_id)
    WHERE is_changing IS NOT TRUE
) AS compared
JOIN scenarios ON scenarios.id = scenario_id
JOIN llms ON llms.id = llm_id
WHERE columns IS NULL OR columns <> '{{}}'
ORDER BY period, starts_at, source, scenario_id, llm_id
