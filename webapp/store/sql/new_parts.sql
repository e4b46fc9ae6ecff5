-- Where each new run belongs: to its hour, its day, every window that reaches back to it, and to `latest` if it
-- is the newest of its LLM. Older runs have been deleted from `latest` before.
SELECT
    place.period, place.starts_at, source, scenario_id, llm_id, metric_id, oldest, newest, runs, n, mean, m2,
    min, max, run_weight, run_mean, run_m2, histogram
FROM (
    SELECT *, newest = max(newest) OVER (PARTITION BY source, scenario_id, llm_id) AS is_newest
    FROM ({run_rollups} WHERE runs.id = ANY(%(run_ids)s)) AS run
) AS run
CROSS JOIN LATERAL (
    SELECT step AS period, date_trunc(step, run.newest, 'UTC') AS starts_at
    FROM unnest(ARRAY['hour', 'day']) AS step
    UNION ALL
    SELECT period, '-infinity' FROM ({windows}) AS windows WHERE run.newest >= windows.since
    UNION ALL
    SELECT 'latest', '-infinity'
    WHERE run.is_newest AND NOT EXISTS (
        SELECT FROM period_rollups AS existing
        WHERE existing.period = 'latest'
          AND existing.source = run.source
          AND existing.scenario_id = run.scenario_id
          AND existing.llm_id = run.llm_id
    )
) AS place
