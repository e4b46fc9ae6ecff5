-- Record the slots from `first` to `last` that have no run as missed: of the named LLM, or of each simulated one
-- that existed by then if none is named; archived LLMs get none. Rows are inserted in the order of LLMs and slots,
-- so that this and a claim cannot deadlock.
INSERT INTO runs
    (source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at, finished_at, error)
SELECT
    %(source)s,
    scenarios.id,
    llms.id,
    slots.slot,
    'missed',
    0,
    gen_random_uuid(),
    %(job_prefix)s || extract(epoch FROM slots.slot)::bigint,
    now(),
    now(),
    %(reason)s
FROM generate_series(%(first)s, %(last)s, %(interval)s) AS slots (slot)
CROSS JOIN llms
CROSS JOIN scenarios
WHERE llms.archived_at IS NULL
  AND CASE
      WHEN %(llm)s IS NULL THEN llms.simulated AND llms.created_at <= slots.slot
      ELSE llms.name = %(llm)s
  END
  AND scenarios.name = %(scenario)s
  AND NOT EXISTS (
      SELECT
      FROM runs
      WHERE runs.source = %(source)s
        AND runs.scenario_id = scenarios.id
        AND runs.llm_id = llms.id
        AND runs.slot = slots.slot
  )
ORDER BY llms.id, slots.slot
ON CONFLICT DO NOTHING
