-- Rollups of the same key, merged with each other:
--   runs, n, run_weight and histogram are summed; oldest, newest, min and max are the extremes;
--   mean = sum(n_i mean_i) / sum(n_i) and m2 = sum(m2_i + n_i (mean_i - mean)^2), the parallel form of Chan,
--   Golub and LeVeque (1979), which avoids cancellation; run_mean and run_m2 likewise, with run_weight for n.
-- Damaged rows without values have no mean, and are left out.
-- The input is a query with the columns (period, starts_at, source, scenario_id, llm_id, metric_id, oldest,
-- newest, runs, n, mean, m2, min, max, run_weight, run_mean, run_m2, histogram).
SELECT
    period, starts_at, source, scenario_id, llm_id, metric_id,
    min(oldest) AS oldest,
    max(newest) AS newest,
    sum(runs) AS runs,
    sum(n) AS n,
    merged_mean AS mean,
    sum(m2 + n * (mean - merged_mean) ^ 2) AS m2,
    min(min) AS min,
    max(max) AS max,
    sum(run_weight) AS run_weight,
    merged_run_mean AS run_mean,
    sum(run_m2 + run_weight * (run_mean - merged_run_mean) ^ 2) AS run_m2,
    histogram_sum(histogram) AS histogram
FROM (
    SELECT
        *,
        sum(n * mean) OVER same / sum(n::double precision) OVER same AS merged_mean,
        sum(run_weight * run_mean) OVER same / sum(run_weight) OVER same AS merged_run_mean
    FROM ({input}) AS parts
    WHERE n > 0 AND run_weight > 0
    WINDOW same AS (PARTITION BY period, starts_at, source, scenario_id, llm_id, metric_id)
) AS parts
GROUP BY period, starts_at, source, scenario_id, llm_id, metric_id, merged_mean, merged_run_mean
