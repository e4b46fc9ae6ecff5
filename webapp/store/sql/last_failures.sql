-- The ranked LLMs whose newest run that a generation shows has no values, because it failed, is invalid or was
-- missed. A run that was claimed again counts as before until a generation shows how it ended. Costs one lookup in
-- the unique index of runs per LLM.
SELECT llms.name, newest.slot, newest.status, newest.reason
FROM llms
CROSS JOIN LATERAL (
    SELECT
        slot,
        CASE WHEN generation IS NULL THEN former_status ELSE status END AS status,
        CASE WHEN generation IS NULL THEN former_reason ELSE coalesce(invalid_reason, error) END AS reason
    FROM runs
    WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = llms.id
      AND (generation IS NOT NULL OR former_status IS NOT NULL)
    ORDER BY slot DESC
    LIMIT 1
) AS newest
WHERE llms.archived_at IS NULL
  AND newest.status <> 'finished'
ORDER BY llms.name
