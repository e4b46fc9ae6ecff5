-- The newest runs of a series that say something of the LLM, with what says how well it answered.
SELECT
    runs.id,
    llms.name,
    slot,
    status = 'failed',
    error,
    measurement ->> 'server',
    coalesce((measurement -> 'requests')::integer, 0),
    coalesce(measurement -> 'errors', '{}'),
    error_rate.mean,
    slo_attainment.mean
FROM runs
JOIN llms ON llms.id = llm_id
LEFT JOIN rollups AS error_rate
    ON error_rate.run_id = runs.id
    AND error_rate.metric_id = (SELECT id FROM metrics WHERE name = 'error_rate')
LEFT JOIN rollups AS slo_attainment
    ON slo_attainment.run_id = runs.id
    AND slo_attainment.metric_id = (SELECT id FROM metrics WHERE name = 'slo_attainment')
WHERE source = %(source)s
  AND scenario_id = %(scenario_id)s
  AND llm_id = %(llm_id)s
  AND (status = 'finished' OR status = 'failed' AND measurement IS NOT NULL)
  AND generation IS NOT NULL
  AND NOT slot <@ ANY(%(excluded)s::tstzrange[])
ORDER BY slot DESC
LIMIT %(limit)s
