-- What to merge into hours and days: the new runs, and what their hours and days hold already.
WITH new AS (
    SELECT grains.period, date_trunc(grains.period, run.oldest, 'UTC') AS starts_at, run.*
    FROM ({run_rollups} WHERE runs.id = ANY(%(run_ids)s)) AS run
    CROSS JOIN (VALUES ('hour'), ('day')) AS grains (period)
)
SELECT * FROM new
UNION ALL
SELECT {columns}
FROM period_rollups
WHERE (period, starts_at, source, workload_id, llm_id, metric_id) IN (
    SELECT period, starts_at, source, workload_id, llm_id, metric_id FROM new
)
