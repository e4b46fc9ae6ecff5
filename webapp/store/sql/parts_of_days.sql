-- The rollups of all shown runs of the days from `since` to `until`, for each run's hour and day. Hours that
-- have expired by `expired` are left out.
SELECT part.period, part.starts_at, run.*
FROM (
    {run_rollups}
    WHERE runs.status = 'finished'
      AND runs.generation IS NOT NULL
      AND runs.slot >= %(since)s
      AND runs.slot < %(until)s
) AS run
CROSS JOIN LATERAL (
    SELECT step AS period, date_trunc(step, run.newest, 'UTC') AS starts_at
    FROM unnest(ARRAY['hour', 'day']) AS step
) AS part
WHERE NOT (part.period = 'hour' AND part.starts_at <= %(expired)s - interval '1 hour')
