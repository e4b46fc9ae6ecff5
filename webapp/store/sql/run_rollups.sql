-- The rollups of runs in the form of merged ones; the statement that includes this adds which runs.
SELECT
    runs.source,
    runs.scenario_id,
    runs.llm_id,
    rollups.metric_id,
    runs.slot AS oldest,
    runs.slot AS newest,
    1 AS runs,
    rollups.n,
    rollups.mean,
    rollups.m2,
    rollups.min,
    rollups.max,
    rollups.n::double precision ^ 2 AS run_weight,
    rollups.mean AS run_mean,
    0::double precision AS run_m2,
    rollups.histogram
FROM runs
JOIN rollups ON rollups.run_id = runs.id
