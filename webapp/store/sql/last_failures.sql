-- The ranked LLMs whose newest ended run has no values, because it failed, is invalid or was missed. A run that is
-- being retried counts as failed until the retry ends. Costs one lookup in the unique index of runs per LLM.
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
