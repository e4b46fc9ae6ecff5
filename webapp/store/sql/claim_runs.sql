-- Claim a slot for one attempt: one row, with the attempt's token, for the named LLM, or for each simulated LLM
-- if none is named; archived LLMs get none. A finished or invalid run is neither changed nor returned. Any other
-- run, also a missed one, is taken over: its token becomes the newest attempt's, and the previous attempt's error stays until this
-- one ends. Rows are claimed in the order of ids, so that two claims cannot deadlock.
INSERT INTO runs (source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at)
SELECT
    %(source)s,
    scenarios.id,
    llms.id,
    %(slot)s,
    'running',
    1,
    %(token)s,
    %(job_id)s,
    clock_timestamp()
FROM llms
CROSS JOIN scenarios
WHERE llms.archived_at IS NULL
  AND CASE WHEN %(llm)s IS NULL THEN llms.simulated ELSE llms.name = %(llm)s END
  AND scenarios.name = %(scenario)s
ORDER BY llms.id
ON CONFLICT (source, scenario_id, llm_id, slot) DO UPDATE SET
    status = 'running',
    attempts = runs.attempts + 1,
    token = excluded.token,
    job_id = excluded.job_id,
    started_at = excluded.started_at,
    finished_at = NULL,
    measurement = NULL
WHERE runs.status NOT IN ('finished', 'invalid')
RETURNING runs.id, (SELECT llms.name FROM llms WHERE llms.id = runs.llm_id) AS llm_name
