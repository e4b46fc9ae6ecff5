-- The newest finished run of each ranked LLM, by one lookup in the unique index of runs per LLM.
SELECT llms.name, newest.id, newest.measurement
FROM llms
CROSS JOIN LATERAL (
    SELECT id, measurement
    FROM runs
    WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = llms.id
      AND status = 'finished' AND generation IS NOT NULL
    ORDER BY slot DESC
    LIMIT 1
) AS newest
WHERE llms.archived_at IS NULL
