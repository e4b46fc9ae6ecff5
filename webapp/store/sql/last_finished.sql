-- When the newest finished run of each ranked LLM ended. The view has the run's slot, by which the unique index
-- finds the run.
SELECT runs.source, scenarios.name AS scenario, llms.name AS llm_name, runs.finished_at
FROM (
    SELECT source, scenario_id, llm_id, max(last_measured) AS slot
    FROM metric_means
    WHERE time_window = 'latest'
    GROUP BY source, scenario_id, llm_id
) AS latest
JOIN runs USING (source, scenario_id, llm_id, slot)
JOIN scenarios ON scenarios.id = runs.scenario_id
JOIN llms ON llms.id = runs.llm_id
WHERE llms.archived_at IS NULL
ORDER BY runs.source, scenario, llm_name
