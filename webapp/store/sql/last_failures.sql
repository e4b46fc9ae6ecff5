-- The ranked LLMs whose newest run that a generation shows has no values, because it failed, is invalid or was
-- missed. A claim takes the generation of a run away but keeps its error, so a run that is being retried still counts
-- as before. Costs one lookup in the unique index of runs per LLM.
SELECT
    llms.name,
    newest.slot,
    CASE WHEN newest.status <> 'running' THEN newest.status WHEN newest.attempts = 1 THEN 'missed' ELSE 'failed' END,
    coalesce(newest.invalid_reason, newest.error)
FROM llms
CROSS JOIN LATERAL (
    SELECT *
    FROM runs
    WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = llms.id
      AND (generation IS NOT NULL OR status = 'running' AND error IS NOT NULL)
    ORDER BY slot DESC
    LIMIT 1
) AS newest
WHERE llms.archived_at IS NULL
  AND newest.status <> 'finished'
ORDER BY llms.name
