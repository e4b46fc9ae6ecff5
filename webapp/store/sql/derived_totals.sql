-- The totals of ended runs, as far as they can be derived: of a run's attempts, only the last one is kept.
SELECT
    source,
    status,
    duration_bucket(seconds) AS at_most,
    count(*) AS runs,
    sum(coalesce(points, 0)) AS points,
    sum(seconds) AS seconds
FROM (
    SELECT
        source, status, points,
        CASE status
            WHEN 'missed' THEN 0
            ELSE extract(epoch FROM finished_at - started_at)::double precision
        END AS seconds
    FROM runs
    WHERE status <> 'running' AND finished_at IS NOT NULL
) AS ended
GROUP BY source, status, duration_bucket(seconds)
