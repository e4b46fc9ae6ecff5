-- The hours or days of a metric, by LLM and time, from the merged rollups. The first bucket is the whole one
-- that contains the nominal start.
SELECT
    llms.name AS llm_name,
    rollups.starts_at,
    rollups.runs,
    rollups.n,
    rollups.mean,
    rollups.quantiles[1] AS p50,
    rollups.quantiles[3] AS p95,
    rollups.quantiles[4] AS p99
FROM period_rollups AS rollups
JOIN metrics ON metrics.id = rollups.metric_id
JOIN llms ON llms.id = rollups.llm_id
WHERE rollups.period = %(step)s
  AND rollups.starts_at >= coalesce(
      date_trunc(%(step)s, now() - %(reach)s::interval, 'UTC'), '-infinity'::timestamptz
  )
  AND rollups.source = %(source)s
  AND rollups.scenario_id = %(scenario_id)s
  AND metrics.name = %(metric_name)s
  AND CASE WHEN %(llm_id)s IS NULL THEN llms.archived_at IS NULL ELSE llms.id = %(llm_id)s END
ORDER BY llms.name, rollups.starts_at
LIMIT %(limit)s
