-- The runs of a metric of one LLM around a moment, by slot, in the form of hours and days.
SELECT
    llms.name AS llm_name,
    runs.slot AS starts_at,
    1 AS runs,
    rollups.n,
    rollups.mean,
    quantiles.p[1] AS p50,
    quantiles.p[2] AS p95,
    quantiles.p[3] AS p99
FROM (
    (
        SELECT id, slot, llm_id
        FROM runs
        WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = %(llm_id)s
          AND slot < %(moment)s AND generation IS NOT NULL
        ORDER BY slot DESC
        LIMIT %(before)s
    )
    UNION ALL
    (
        SELECT id, slot, llm_id
        FROM runs
        WHERE source = %(source)s AND scenario_id = %(scenario_id)s AND llm_id = %(llm_id)s
          AND slot >= %(moment)s AND generation IS NOT NULL
        ORDER BY slot
        LIMIT %(after)s
    )
) AS runs
JOIN rollups ON rollups.run_id = runs.id
JOIN metrics ON metrics.id = rollups.metric_id
JOIN llms ON llms.id = runs.llm_id
CROSS JOIN LATERAL histogram_quantiles(
    rollups.histogram, rollups.n, rollups.min, rollups.max, ARRAY[0.50, 0.95, 0.99]::double precision[]
) AS quantiles (p)
WHERE metrics.name = %(metric_name)s
ORDER BY runs.slot
