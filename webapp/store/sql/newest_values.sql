-- The rollups of the newest finished runs of a series, oldest first: by the index of its slots, then by run.
SELECT newest.slot, metric_id, n, mean, p95
FROM (
    SELECT id, slot FROM runs
    WHERE source = %(source)s
      AND scenario_id = %(scenario_id)s
      AND llm_id = %(llm_id)s
      AND status = 'finished'
      AND generation IS NOT NULL
      AND (%(before)s IS NULL OR slot < %(before)s)
      AND NOT slot <@ ANY(%(excluded)s::tstzrange[])
    ORDER BY slot DESC
    LIMIT %(limit)s
) AS newest
JOIN rollups ON rollups.run_id = newest.id
WHERE metric_id = ANY(%(metric_ids)s)
ORDER BY newest.slot
