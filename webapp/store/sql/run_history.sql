-- The runs of a metric, by LLM and slot, in the form of hours and days.
SELECT
    llms.name AS llm_name,
    runs.slot AS starts_at,
    1 AS runs,
    rollups.n,
    rollups.mean,
    quantiles.p[1] AS p50,
    quantiles.p[2] AS p95,
    quantiles.p[3] AS p99
FROM runs
JOIN rollups ON rollups.run_id = runs.id
JOIN metrics ON metrics.id = rollups.metric_id
JOIN llms ON llms.id = runs.llm_id
CROSS JOIN LATERAL histogram_quantiles(
    rollups.histogram, rollups.n, rollups.min, rollups.max, ARRAY[0.50, 0.95, 0.99]::double precision[]
) AS quantiles (p)
WHERE runs.slot >= now() - %(reach)s::interval
  AND runs.generation IS NOT NULL
  AND runs.source = %(source)s
  AND runs.scenario_id = %(scenario_id)s
  AND metrics.name = %(metric_name)s
  AND CASE WHEN %(llm_id)s IS NULL THEN llms.archived_at IS NULL ELSE llms.id = %(llm_id)s END
ORDER BY llms.name, runs.slot
LIMIT %(limit)s
