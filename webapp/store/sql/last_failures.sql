-- The ranked LLMs whose newest run that has ended brought no values: it failed, or it was invalid. One that is
-- tried again has failed until it ends. One look into the unique index of runs for each LLM, whatever the
-- history.
SELECT
    llms.name,
    newest.slot,
    CASE newest.status WHEN 'running' THEN 'failed' ELSE newest.status END,
    coalesce(newest.invalid_reason, newest.error)
FROM llms
CROSS JOIN LATERAL (
    SELECT *
    FROM runs
    WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = llms.id
      AND (status <> 'running' OR error IS NOT NULL)
    ORDER BY slot DESC
    LIMIT 1
) AS newest
WHERE llms.archived_at IS NULL
  AND newest.status <> 'finished'
ORDER BY llms.name
