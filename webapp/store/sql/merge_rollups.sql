-- Merge rollups of the same key with each other, and with what already stands in the key's place. The rule:
--   n, runs, histograms and weights add up; oldest, newest, min and max extend;
--   mean = sum(n mean) / sum(n); m2 = sum(m2 + n (mean_i - mean)^2), the parallel form of Chan, Golub and
--   LeVeque (1979), which does not cancel; likewise run_mean and run_m2 with run_weight in the place of n.
-- The input is a query of the columns (period, starts_at, source, scenario_id, llm_id, metric_id, oldest,
-- newest, runs, n, mean, m2, min, max, run_weight, run_mean, run_m2, histogram).
INSERT INTO period_rollups AS standing (
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
    oldest = least(standing.oldest, excluded.oldest),
    newest = greatest(standing.newest, excluded.newest),
    runs = standing.runs + excluded.runs,
    n = standing.n + excluded.n,
    mean = (standing.n * standing.mean + excluded.n * excluded.mean) / (standing.n + excluded.n),
    m2 = standing.m2 + excluded.m2 + (standing.mean - excluded.mean) ^ 2
        * standing.n * excluded.n / (standing.n + excluded.n),
    min = least(standing.min, excluded.min),
    max = greatest(standing.max, excluded.max),
    run_weight = standing.run_weight + excluded.run_weight,
    run_mean = (standing.run_weight * standing.run_mean + excluded.run_weight * excluded.run_mean)
        / (standing.run_weight + excluded.run_weight),
    run_m2 = standing.run_m2 + excluded.run_m2 + (standing.run_mean - excluded.run_mean) ^ 2
        * standing.run_weight * excluded.run_weight / (standing.run_weight + excluded.run_weight),
    histogram = histogram_add(standing.histogram, excluded.histogram)
