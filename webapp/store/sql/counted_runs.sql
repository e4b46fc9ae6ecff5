-- How the selected runs of each hour and day ended; `is_changing` where one is retried, or not yet shown.
SELECT
    period,
    source,
    scenario_id,
    llm_id,
    date_trunc(period, slot, 'UTC') AS starts_at,
    (count(*) FILTER (WHERE status = 'finished'))::integer AS finished,
    (count(*) FILTER (WHERE status = 'failed'))::integer AS failed,
    (count(*) FILTER (WHERE status = 'invalid'))::integer AS invalid,
    (count(*) FILTER (WHERE status = 'missed'))::integer AS missed,
    bool_or(generation IS NULL) AS is_changing
FROM ({runs}) AS selected
CROSS JOIN unnest(ARRAY['hour', 'day']) AS period
GROUP BY period, source, scenario_id, llm_id, date_trunc(period, slot, 'UTC')
