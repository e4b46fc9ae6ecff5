-- What is left in the windows that the keys name: the runs of the last hour, the hours of the last day, or the
-- days of a longer window.
WITH slid AS (
    SELECT *
    FROM unnest(
        %(period)s::text[],
        %(source)s::text[],
        %(scenario_id)s::integer[],
        %(llm_id)s::integer[],
        %(metric_id)s::integer[]
    ) AS keys (period, source, scenario_id, llm_id, metric_id)
    JOIN ({windows}) AS windows USING (period)
)
SELECT slid.period, '-infinity'::timestamptz AS starts_at, run.*
FROM slid
JOIN (
    {run_rollups}
    WHERE runs.generation IS NOT NULL
      AND runs.slot >= (SELECT since FROM ({windows}) AS windows WHERE grain = 'run')
) AS run USING (source, scenario_id, llm_id, metric_id)
WHERE slid.grain = 'run'
UNION ALL
SELECT slid.period, '-infinity', part.*
FROM slid
CROSS JOIN LATERAL (
    SELECT
        source, scenario_id, llm_id, metric_id, oldest, newest, runs, n, mean, m2, min, max, run_weight,
        run_mean, run_m2, histogram
    FROM period_rollups
    WHERE period = slid.grain
      AND source = slid.source
      AND scenario_id = slid.scenario_id
      AND llm_id = slid.llm_id
      AND metric_id = slid.metric_id
      AND starts_at >= slid.since
    OFFSET 0 -- keeps the planner from reading all of history to join it
) AS part
