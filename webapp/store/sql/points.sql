-- The points in [since, until) of runs that a generation shows. Finished runs that are not shown yet are left
-- out, so that two responses with the same generation never differ. A filter that is NULL matches everything.
SELECT
    to_char(points.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS recorded_at,
    points.run_id,
    llms.name AS llm_name,
    runs.source,
    scenarios.name AS scenario,
    metrics.name AS metric,
    metrics.unit,
    points.value
FROM points
JOIN runs ON runs.id = points.run_id
JOIN llms ON llms.id = runs.llm_id
JOIN scenarios ON scenarios.id = runs.scenario_id
JOIN metrics ON metrics.id = points.metric_id
WHERE points.recorded_at >= %(since)s
  AND points.recorded_at < %(until)s
  AND runs.status = 'finished'
  AND runs.generation IS NOT NULL
  AND runs.source = %(source)s
  AND runs.scenario_id = %(scenario_id)s
  AND (%(llm_id)s::integer IS NULL OR runs.llm_id = %(llm_id)s)
  AND (%(metric_name)s::text IS NULL OR metrics.name = %(metric_name)s)
