-- The ids of the last shown runs before an incident and of the first ones of it, newest first: of each series of its
-- signals.
-- Costs lookups in the unique index of runs.
WITH series AS (
    SELECT DISTINCT incidents.source, incidents.started_at, signals.scenario_id, signals.llm_id
    FROM incidents
    JOIN signals ON signals.incident_id = incidents.id
    WHERE incidents.id = %(incident_id)s
)
SELECT near.id
FROM series
CROSS JOIN LATERAL (
    (
        SELECT id, slot
        FROM runs
        WHERE source = series.source AND scenario_id = series.scenario_id AND llm_id = series.llm_id
          AND slot < series.started_at AND generation IS NOT NULL
        ORDER BY slot DESC
        LIMIT %(before)s
    )
    UNION ALL
    (
        SELECT id, slot
        FROM runs
        WHERE source = series.source AND scenario_id = series.scenario_id AND llm_id = series.llm_id
          AND slot >= series.started_at AND generation IS NOT NULL
        ORDER BY slot
        LIMIT %(after)s
    )
) AS near
ORDER BY near.slot DESC, near.id DESC
LIMIT %(limit)s
