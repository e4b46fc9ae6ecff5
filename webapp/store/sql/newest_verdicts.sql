-- The newest runs of each series that say something of the LLM, with what says how well it answered.
SELECT
    series.number,
    newest.id,
    llms.name,
    slot,
    status = 'failed',
    error,
    measurement ->> 'server',
    coalesce((measurement -> 'requests')::integer, 0),
    coalesce(measurement -> 'errors', '{}'),
    error_rate.mean,
    slo_attainment.mean,
    capacity.mean
FROM unnest(
    %(source)s::text[], %(scenario_id)s::integer[], %(llm_id)s::integer[], %(excluded)s::tstzmultirange[]
) WITH ORDINALITY AS series (source, scenario_id, llm_id, excluded, number)
JOIN llms ON llms.id = llm_id
CROSS JOIN LATERAL (
    SELECT id, slot, status, error, measurement FROM runs
    WHERE runs.source = series.source
      AND runs.scenario_id = series.scenario_id
      AND runs.llm_id = series.llm_id
      AND (status = 'finished' OR status = 'failed' AND measurement IS NOT NULL)
      AND generation IS NOT NULL
      AND NOT slot <@ excluded
    ORDER BY slot DESC
    LIMIT %(limit)s
) AS newest
LEFT JOIN rollups AS error_rate
    ON error_rate.run_id = newest.id AND error_rate.metric_id = %(error_rate)s
LEFT JOIN rollups AS slo_attainment
    ON slo_attainment.run_id = newest.id AND slo_attainment.metric_id = %(slo_attainment)s
LEFT JOIN rollups AS capacity
    ON capacity.run_id = newest.id AND capacity.metric_id = %(capacity)s
ORDER BY series.number, slot DESC
