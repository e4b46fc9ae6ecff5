-- Merge rollups of the same key and put the result in the key's place. The rule:
--   n, runs, counts and weights add up; oldest, newest, min and max extend;
--   mean = sum(n mean) / sum(n); m2 = sum(m2 + n (mean_i - mean)^2), the parallel form of Chan, Golub and
--   LeVeque (1979), which does not cancel; likewise run_mean and run_m2 with run_weight in the place of n;
--   a quantile q is the bucket of the value whose rank is ceil(q n), kept inside min and max.
-- The input is a query of (period, starts_at, source, workload_id, llm_id, metric_id, oldest, newest, runs, n,
-- mean, m2, min, max, run_weight, run_mean, run_m2, buckets, counts).
WITH input AS (
    SELECT
        parts.*,
        -- A number in the key's place: five times cheaper to group buckets by.
        dense_rank() OVER (ORDER BY period, starts_at, source, workload_id, llm_id, metric_id) AS key
    FROM ({input}) AS parts
),
totals AS (
    SELECT
        key,
        min(oldest) AS oldest,
        max(newest) AS newest,
        sum(runs)::bigint AS runs,
        sum(n)::bigint AS n,
        sum(n * mean) / sum(n::double precision) AS mean,
        min(min) AS min,
        max(max) AS max,
        sum(run_weight) AS run_weight,
        sum(run_weight * run_mean) / sum(run_weight) AS run_mean
    FROM input
    GROUP BY key
),
spreads AS (
    SELECT
        key,
        sum(input.m2 + input.n * (input.mean - totals.mean) ^ 2) AS m2,
        sum(input.run_m2 + input.run_weight * (input.run_mean - totals.run_mean) ^ 2) AS run_m2
    FROM input
    JOIN totals USING (key)
    GROUP BY key
),
counted AS (
    SELECT key, bucket, sum(count)::bigint AS count
    FROM input
    CROSS JOIN LATERAL unnest(buckets, counts) AS histogram (bucket, count)
    GROUP BY key, bucket
),
ranked AS (
    SELECT key, bucket, count, sum(count) OVER (PARTITION BY key ORDER BY bucket) AS rank
    FROM counted
),
histograms AS (
    SELECT
        key,
        array_agg(bucket ORDER BY bucket) AS buckets,
        array_agg(count ORDER BY bucket) AS counts,
        histogram_value(min(bucket) FILTER (WHERE rank >= ceil(0.50 * n))) AS p50,
        histogram_value(min(bucket) FILTER (WHERE rank >= ceil(0.90 * n))) AS p90,
        histogram_value(min(bucket) FILTER (WHERE rank >= ceil(0.95 * n))) AS p95,
        histogram_value(min(bucket) FILTER (WHERE rank >= ceil(0.99 * n))) AS p99
    FROM ranked
    JOIN totals USING (key)
    GROUP BY key
),
keys AS (
    SELECT DISTINCT key, period, starts_at, source, workload_id, llm_id, metric_id FROM input
)
INSERT INTO period_rollups (
    period, starts_at, source, workload_id, llm_id, metric_id, oldest, newest, runs, n, mean, m2, min, max,
    run_weight, run_mean, run_m2, buckets, counts, p50, p90, p95, p99
)
SELECT
    period, starts_at, source, workload_id, llm_id, metric_id, oldest, newest, runs, n, mean, m2, min, max,
    run_weight, run_mean, run_m2, buckets, counts,
    least(greatest(p50, min), max),
    least(greatest(p90, min), max),
    least(greatest(p95, min), max),
    least(greatest(p99, min), max)
FROM keys
JOIN totals USING (key)
JOIN spreads USING (key)
JOIN histograms USING (key)
ON CONFLICT (period, starts_at, source, workload_id, llm_id, metric_id) DO UPDATE SET
    oldest = excluded.oldest,
    newest = excluded.newest,
    runs = excluded.runs,
    n = excluded.n,
    mean = excluded.mean,
    m2 = excluded.m2,
    min = excluded.min,
    max = excluded.max,
    run_weight = excluded.run_weight,
    run_mean = excluded.run_mean,
    run_m2 = excluded.run_m2,
    buckets = excluded.buckets,
    counts = excluded.counts,
    p50 = excluded.p50,
    p90 = excluded.p90,
    p95 = excluded.p95,
    p99 = excluded.p99
