-- The newest finished runs of each series, oldest first, as arrays by metric: by the index of its slots.
SELECT
    series.number,
    metric_id,
    array_agg(extract(epoch FROM newest.slot)::float8 ORDER BY newest.slot),
    array_agg(n ORDER BY newest.slot),
    array_agg(mean ORDER BY newest.slot),
    array_agg(p95 ORDER BY newest.slot)
FROM unnest(
    %(source)s::text[], %(scenario_id)s::integer[], %(llm_id)s::integer[], %(excluded)s::tstzmultirange[]
) WITH ORDINALITY AS series (source, scenario_id, llm_id, excluded, number)
CROSS JOIN LATERAL (
    SELECT id, slot FROM runs
    WHERE runs.source = series.source
      AND runs.scenario_id = series.scenario_id
      AND runs.llm_id = series.llm_id
      AND status = 'finished'
      AND generation IS NOT NULL
      AND (%(before)s IS NULL OR slot < %(before)s)
      AND NOT slot <@ excluded
    ORDER BY slot DESC
    LIMIT %(limit)s
) AS newest
JOIN rollups ON rollups.run_id = newest.id
WHERE metric_id = ANY(%(metric_ids)s)
GROUP BY series.number, metric_id
