-- When the newest finished run of each ranked LLM ended. The view names its slot, and the slot finds it by
-- index.
SELECT runs.source, workloads.name AS workload, llms.name AS llm_name, runs.finished_at
FROM (
    SELECT source, workload_id, llm_id, max(last_measured) AS slot
    FROM metric_means
    WHERE time_window = 'latest'
    GROUP BY source, workload_id, llm_id
) AS latest
JOIN runs USING (source, workload_id, llm_id, slot)
JOIN workloads ON workloads.id = runs.workload_id
JOIN llms ON llms.id = runs.llm_id
WHERE llms.archived_at IS NULL
ORDER BY runs.source, workload, llm_name
