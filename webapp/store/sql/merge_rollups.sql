-- Merge rollups with each other, see merged_rollups.sql, and with the existing row of their key.
INSERT INTO period_rollups AS existing (
    period, starts_at, source, scenario_id, llm_id, metric_id, oldest, newest, runs, n, mean, m2, min, max,
    run_weight, run_mean, run_m2, histogram
)
{merged}
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
