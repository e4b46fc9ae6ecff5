-- The last shown runs before an incident and the first ones of it, of each series of its signals, newest first.
-- Costs lookups in the unique index of runs.
WITH series AS (
    SELECT DISTINCT incidents.source, incidents.started_at, signals.scenario_id, signals.llm_id
    FROM incidents
    JOIN signals ON signals.incident_id = incidents.id
    WHERE incidents.id = %(incident_id)s
)
SELECT
    runs.id,
    runs.job_id,
    runs.source,
    scenarios.name AS scenario,
    llms.name AS llm_name,
    runs.slot,
    runs.status,
    runs.attempts,
    runs.started_at,
    runs.finished_at,
    extract(epoch FROM runs.finished_at - runs.started_at)::float8 AS duration_s,
    runs.points,
    runs.error,
    runs.generation,
    runs.invalid_reason,
    runs.measurement
FROM series
CROSS JOIN LATERAL (
    (
        SELECT id
        FROM runs
        WHERE source = series.source AND scenario_id = series.scenario_id AND llm_id = series.llm_id
          AND slot < series.started_at AND generation IS NOT NULL
        ORDER BY slot DESC
        LIMIT %(before)s
    )
    UNION ALL
    (
        SELECT id
        FROM runs
        WHERE source = series.source AND scenario_id = series.scenario_id AND llm_id = series.llm_id
          AND slot >= series.started_at AND generation IS NOT NULL
        ORDER BY slot
        LIMIT %(after)s
    )
) AS near
JOIN runs ON runs.id = near.id
JOIN scenarios ON scenarios.id = runs.scenario_id
JOIN llms ON llms.id = runs.llm_id
ORDER BY runs.slot DESC, runs.id DESC
LIMIT %(limit)s
