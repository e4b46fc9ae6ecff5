-- Runs that match every filter, newest first. The planner drops a filter that is NULL, so that a page is read
-- by the primary key or by the index on job ids and costs its own rows only.
SELECT
    runs.id,
    runs.job_id,
    runs.source,
    scenarios.name AS scenario,
    llms.name AS llm_name,
    runs.slot,
    runs.status,
    runs.attempts,
    runs.started_at,
    runs.finished_at,
    extract(epoch FROM runs.finished_at - runs.started_at)::float8 AS duration_s,
    runs.points,
    runs.error,
    runs.generation,
    runs.invalid_reason,
    runs.measurement
FROM runs
JOIN scenarios ON scenarios.id = runs.scenario_id
JOIN llms ON llms.id = runs.llm_id
WHERE (%(run_id)s IS NULL OR runs.id = %(run_id)s)
  AND (%(run_ids)s IS NULL OR runs.id = ANY(%(run_ids)s))
  AND (%(before)s IS NULL OR runs.id < %(before)s)
  AND (%(status)s IS NULL OR runs.status = %(status)s)
  AND (%(source)s IS NULL OR runs.source = %(source)s)
  AND (%(scenario_ids)s IS NULL OR runs.scenario_id = ANY(%(scenario_ids)s))
  AND (%(llm_id)s IS NULL OR runs.llm_id = %(llm_id)s)
  AND (%(job_id)s IS NULL OR runs.job_id = %(job_id)s)
ORDER BY runs.id DESC
LIMIT %(limit)s
