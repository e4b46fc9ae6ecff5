-- How the runs of each series of a ranked LLM ended since then. Each step of the recursion finds the next series
-- in the primary key, so the cost does not grow with the hours that are stored.
WITH RECURSIVE series AS (
    (
        SELECT source, scenario_id, llm_id
        FROM availability
        WHERE period = 'hour'
        ORDER BY source, scenario_id, llm_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.source, following.scenario_id, following.llm_id
    FROM series
    CROSS JOIN LATERAL (
        SELECT source, scenario_id, llm_id
        FROM availability
        WHERE period = 'hour'
          AND (source, scenario_id, llm_id) > (series.source, series.scenario_id, series.llm_id)
        ORDER BY source, scenario_id, llm_id
        LIMIT 1
    ) AS following
)
SELECT series.source, scenarios.name AS scenario, llms.name AS llm_name, recent.finished, recent.failed
FROM series
CROSS JOIN LATERAL (
    SELECT sum(finished)::integer AS finished, sum(failed)::integer AS failed
    FROM availability
    WHERE period = 'hour'
      AND source = series.source
      AND scenario_id = series.scenario_id
      AND llm_id = series.llm_id
      AND starts_at > %(since)s
) AS recent
JOIN scenarios ON scenarios.id = series.scenario_id
JOIN llms ON llms.id = series.llm_id
WHERE llms.archived_at IS NULL
  AND recent.finished + recent.failed > 0
ORDER BY series.source, scenario, llm_name
