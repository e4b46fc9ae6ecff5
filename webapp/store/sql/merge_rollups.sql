-- Merge rollups of the same key with each other and with the key's existing row:
--   runs, n, run_weight and histogram are summed; oldest, newest, min and max are the extremes;
--   mean = sum(n_i mean_i) / sum(n_i) and m2 = sum(m2_i + n_i (mean_i - mean)^2), the parallel form of Chan,
--   Golub and LeVeque (1979), which avoids cancellation; run_mean and run_m2 likewise, with run_weight for n.
-- The input is a query with the columns (period, starts_at, source, scenario_id, llm_id, metric_id, oldest,
-- newest, runs, n, mean, m2, min, max, run_weight, run_mean, run_m2, histogram).
INSERT INTO period_rollups AS existing (
    period, starts_at, source, scenario_id, llm_id, metric_id, oldest, newest, runs, n, mean, m2, min, max,
    run_weight, run_mean, run_m2, histogram
)
SELECT
    period, starts_at, source, scenario_id, llm_id, metric_id,
    min(oldest),
    max(newest),
    sum(runs),
    sum(n),
    merged_mean,
    sum(m2 + n * (mean - merged_mean) ^ 2),
    min(min),
    max(max),
    sum(run_weight),
    merged_run_mean,
    sum(run_m2 + run_weight * (run_mean - merged_run_mean) ^ 2),
    histogram_sum(histogram)
FROM (
    SELECT
        *,
        sum(n * mean) OVER same / sum(n::double precision) OVER same AS merged_mean,
        sum(run_weight * run_mean) OVER same / sum(run_weight) OVER same AS merged_run_mean
    FROM ({input}) AS parts
    WINDOW same AS (PARTITION BY period, starts_at, source, scenario_id, llm_id, metric_id)
) AS parts
GROUP BY period, starts_at, source, scenario_id, llm_id, metric_id, merged_mean, merged_run_mean
ON CONFLICT (period, starts_at, source, scenario_id, llm_id, metric_id) DO UPDATE SET
    oldest = least(existing.oldest, excluded.oldest),
    newest = greatest(existing.newest, excluded.newest),
    runs = existing.runs + excluded.runs,
    n = existing.n + excluded.n,
    mean = (existing.n * existing.mean + excluded.n * excluded.mean) / (existing.n + excluded.n),
    m2 = existing.m2 + excluded.m2 + (existing.mean - excluded.mean) ^ 2
        * existing.n * excluded.n / (existing.n + excluded.n),
    min = least(existing.min, excluded.min),
    max = greatest(existing.max, excluded.max),
    run_weight = existing.run_weight + excluded.run_weight,
    run_mean = (existing.run_weight * existing.run_mean + excluded.run_weight * excluded.run_mean)
        / (existing.run_weight + excluded.run_weight),
    run_m2 = existing.run_m2 + excluded.run_m2 + (existing.run_mean - excluded.run_mean) ^ 2
        * existing.run_weight * excluded.run_weight / (existing.run_weight + excluded.run_weight),
    histogram = histogram_add(existing.histogram, excluded.histogram)
