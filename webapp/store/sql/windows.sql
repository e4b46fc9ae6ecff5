-- What to merge into the windows. A window that stands takes in the new runs; one whose oldest part has
-- slid out is put together anew from the runs, hours or days that are still inside, which hold the new runs
-- already. So a refresh costs what is new, and now and then a window's few parts, whatever the history.
WITH windows AS (
    {windows}
),
new AS (
    {run_rollups} WHERE runs.id = ANY(%(run_ids)s)
),
arriving AS (
    SELECT windows.period, '-infinity'::timestamptz AS starts_at, new.*
    FROM new
    JOIN windows ON new.oldest >= windows.since
),
expired AS (
    SELECT windows.period, windows.grain, windows.since, standing.source, standing.workload_id,
        standing.llm_id, standing.metric_id
    FROM period_rollups AS standing
    JOIN windows USING (period)
    WHERE standing.period NOT IN ('hour', 'day')
      AND standing.oldest < windows.since
),
slid AS (
    SELECT expired.period, '-infinity'::timestamptz AS starts_at, run.*
    FROM (
        {run_rollups}
        WHERE runs.generation IS NOT NULL
          AND runs.slot >= (SELECT since FROM windows WHERE grain = 'run')
    ) AS run
    JOIN expired USING (source, workload_id, llm_id, metric_id)
    WHERE expired.grain = 'run' AND run.oldest >= expired.since
    UNION ALL
    SELECT expired.period, '-infinity'::timestamptz, {part_columns}
    FROM expired
    CROSS JOIN LATERAL (
        SELECT *
        FROM period_rollups
        WHERE period = expired.grain
          AND source = expired.source
          AND workload_id = expired.workload_id
          AND llm_id = expired.llm_id
          AND metric_id = expired.metric_id
          AND starts_at >= expired.since
        OFFSET 0 -- keeps the planner from reading all of history to join it
    ) AS part
),
latest AS (
    SELECT DISTINCT ON (source, workload_id, llm_id, metric_id) *
    FROM (
        SELECT 'latest' AS period, '-infinity'::timestamptz AS starts_at, new.* FROM new
        UNION ALL
        SELECT {columns} FROM period_rollups
        WHERE period = 'latest'
          AND (source, workload_id, llm_id, metric_id) IN (
              SELECT source, workload_id, llm_id, metric_id FROM new
          )
    ) AS candidates
    ORDER BY source, workload_id, llm_id, metric_id, newest DESC
)
SELECT * FROM arriving
WHERE (period, source, workload_id, llm_id, metric_id) NOT IN (
    SELECT period, source, workload_id, llm_id, metric_id FROM expired
)
UNION ALL
SELECT {columns}
FROM period_rollups
WHERE period NOT IN ('hour', 'day')
  AND (period, source, workload_id, llm_id, metric_id) IN (
    SELECT period, source, workload_id, llm_id, metric_id FROM arriving
    EXCEPT
    SELECT period, source, workload_id, llm_id, metric_id FROM expired
)
UNION ALL
SELECT * FROM slid
UNION ALL
SELECT * FROM latest
