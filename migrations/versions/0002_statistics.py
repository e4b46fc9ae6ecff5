"""Histograms, rollups by hour, day and window, intervals and quantiles

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)


class Histogram(sa.types.UserDefinedType):
    """The composite type created by this migration."""

    def get_col_spec(self, **options: object) -> str:
        return "histogram"


# The number of values in each bucket, starting with bucket `low`.
HISTOGRAM = "CREATE TYPE histogram AS (low integer, counts bigint[])"
# DDSketch (Masson, Rim and Lee, VLDB 2019) with a relative accuracy a of 1 %: gamma = (1 + a) / (1 - a), a
# positive x is in bucket ceil(ln x / ln gamma), and 2 gamma^bucket / (gamma + 1) is within a of all values in
# it. Buckets are numbered without gaps in the order of their values: bucket 0 has all values closer to zero
# than 1e-9, positive buckets are shifted by 1037 to start at 1, and negative ones mirror them.
HISTOGRAM_BUCKET = """
CREATE FUNCTION histogram_bucket(x double precision) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN abs(x) < 1e-9 THEN 0
        ELSE (sign(x) * (1037 + ceil(ln(abs(x)) / ln(1.01::double precision / 0.99))))::integer
    END
$$
"""
HISTOGRAM_VALUE = """
CREATE FUNCTION histogram_value(bucket integer) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN bucket = 0 THEN 0
        ELSE sign(bucket) * exp((abs(bucket) - 1037) * ln(1.01::double precision / 0.99))
            * 2 / (1.01::double precision / 0.99 + 1)
    END
$$
"""
# Pads both histograms to the same lowest bucket and adds their counts. PL/pgSQL caches the plan, and adding
# whole arrays is five times faster than grouping buckets.
HISTOGRAM_ADD = """
CREATE FUNCTION histogram_add(a histogram, b histogram) RETURNS histogram
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN ROW(
        least(a.low, b.low),
        ARRAY(
            SELECT coalesce(of_a, 0) + coalesce(of_b, 0)
            FROM unnest(
                array_fill(0::bigint, ARRAY[greatest(a.low - b.low, 0)]) || a.counts,
                array_fill(0::bigint, ARRAY[greatest(b.low - a.low, 0)]) || b.counts
            ) AS counts (of_a, of_b)
        )
    )::histogram;
END
$$
"""
HISTOGRAM_SUM = """
CREATE AGGREGATE histogram_sum(histogram) (sfunc = histogram_add, stype = histogram, parallel = safe)
"""
# The quantile q of n values is the value of rank ceil(q n), as in percentile_disc: here the representative of
# its bucket, clipped to the least and the greatest value. The fractions must ascend.
HISTOGRAM_QUANTILES = """
CREATE FUNCTION histogram_quantiles(
    histogram histogram, n bigint, least_value double precision, greatest_value double precision,
    fractions double precision[]
) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    counts bigint[] := histogram.counts;
    place integer := 0;
    seen bigint := 0;
    fraction double precision;
    rank bigint;
    quantiles double precision[] := '{}';
BEGIN
    FOREACH fraction IN ARRAY fractions LOOP
        rank := ceil(fraction * n);
        WHILE seen < rank LOOP
            place := place + 1;
            seen := seen + counts[place];
        END LOOP;
        quantiles := quantiles
            || least(greatest(histogram_value(histogram.low + place - 1), least_value), greatest_value);
    END LOOP;
    RETURN quantiles;
END
$$
"""
QUANTILES = "histogram_quantiles(histogram, n, min, max, ARRAY[0.50, 0.90, 0.95, 0.99]::double precision[])"

# Student's t at 0.975: exact to float8 up to 60 degrees of freedom, then by the Cornish-Fisher expansion
# (Abramowitz and Stegun 26.7.5), whose relative error there is below 5e-10.
T_975_TABLE = """
    12.706204736174694, 4.302652729749462, 3.1824463052837078, 2.7764451051977934, 2.5705818356363146,
    2.4469118511449786, 2.364624251592784, 2.306004135204166, 2.262157162798205, 2.228138851986274,
    2.200985160091639, 2.1788128296672284, 2.1603686564627913, 2.144786687917804, 2.131449545559776,
    2.1199052992212546, 2.1098155778333156, 2.1009220402410382, 2.0930240544083087, 2.085963447265864,
    2.0796138447276795, 2.0738730679040254, 2.0686576104190486, 2.0638985616280245, 2.0595385527532972,
    2.0555294386428735, 2.0518305164802846, 2.0484071417952454, 2.045229642132703, 2.0422724563012378,
    2.039513446396408, 2.0369333434601016, 2.0345152974493383, 2.0322445093177186, 2.030107928250343,
    2.0280940009804502, 2.0261924630291093, 2.0243941639119694, 2.022690920036761, 2.021075390306273,
    2.019540970441376, 2.0180817028184443, 2.016692199227824, 2.0153675744437636, 2.014103388880846,
    2.012895598919429, 2.0117405137297655, 2.010634757624232, 2.0095752371292392, 2.008559112100761,
    2.007583770315836, 2.006646805061688, 2.0057459953178687, 2.0048792881880564, 2.0040447832891455,
    2.003240718847872, 2.002465459291007, 2.0017174841452356, 2.000995378088267, 2.0002978220142604,
"""
T_975 = """
CREATE FUNCTION t_975(df bigint) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    z CONSTANT double precision := 1.959963984540054;
    v CONSTANT double precision := df;
BEGIN
    RETURN CASE
        WHEN df < 1 THEN NULL
        WHEN df <= 60 THEN (ARRAY[T_VALUES]::double precision[])[df]
        ELSE z + (z^3 + z) / (4 * v)
            + (5 * z^5 + 16 * z^3 + 3 * z) / (96 * v^2)
            + (3 * z^7 + 19 * z^5 + 17 * z^3 - 15 * z) / (384 * v^3)
            + (79 * z^9 + 776 * z^7 + 1482 * z^5 - 1920 * z^3 - 945 * z) / (92160 * v^4)
    END;
END
$$
""".replace("T_VALUES", T_975_TABLE.strip().rstrip(","))

# Histograms of existing runs are computed from their points, which takes seconds, before any lock is taken
# that others wait for. Those of runs that end meanwhile are computed under the lock.
CREATE_BACKFILL = """
CREATE TABLE histogram_backfill AS
SELECT run_id, metric_id, histogram_sum(ROW(bucket, ARRAY[n])::histogram) AS histogram
FROM (
    SELECT run_id, metric_id, histogram_bucket(value) AS bucket, count(*) AS n
    FROM points
    GROUP BY run_id, metric_id, bucket
) AS buckets
GROUP BY run_id, metric_id
"""
COMPLETE_BACKFILL = """
INSERT INTO histogram_backfill
SELECT run_id, metric_id, histogram_sum(ROW(histogram_bucket(value), ARRAY[1])::histogram)
FROM points
WHERE run_id IN (SELECT run_id FROM rollups EXCEPT SELECT run_id FROM histogram_backfill)
GROUP BY run_id, metric_id
"""
BACKFILL = """
UPDATE rollups SET histogram = histogram_backfill.histogram
FROM histogram_backfill
WHERE histogram_backfill.run_id = rollups.run_id AND histogram_backfill.metric_id = rollups.metric_id
"""

# The 95 % interval of the mean. Values of one run are not independent, so with several runs each is one
# observation: the cluster-robust variance of a ratio mean (Cochran, Sampling Techniques, 1977, 11.6; Cameron
# and Miller, Journal of Human Resources 2015), sum over runs of n_r^2 (mean_r - mean)^2, times R / (R - 1),
# over n^2, with Student's t at R - 1 degrees of freedom. run_mean and run_m2 are the mean and the squared
# deviations of the runs' means weighted by n_r^2, so no sum cancels. One run falls back to its own spread.
METRIC_MEANS = """
CREATE MATERIALIZED VIEW metric_means AS
SELECT
    period AS time_window,
    source,
    workload_id,
    llm_id,
    metric_id,
    runs,
    n,
    mean,
    stddev,
    min,
    max,
    mean - t_975(df) * error AS ci_low,
    mean + t_975(df) * error AS ci_high,
    newest AS last_measured
FROM (
    SELECT
        period_rollups.*,
        sqrt(m2 / nullif(n - 1, 0)) AS stddev,
        CASE WHEN runs > 1 THEN runs - 1 ELSE n - 1 END AS df,
        CASE
            WHEN runs > 1
                THEN sqrt(runs / (runs - 1.0) * (run_m2 + run_weight * (run_mean - mean) ^ 2)) / n
            ELSE sqrt(m2 / nullif(n - 1, 0) / n)
        END AS error
    FROM period_rollups
    WHERE period NOT IN ('hour', 'day')
) AS windows
"""
METRIC_QUANTILES = """
CREATE MATERIALIZED VIEW metric_quantiles AS
SELECT
    period AS time_window,
    source,
    workload_id,
    llm_id,
    metric_id,
    quantiles[1] AS p50,
    quantiles[2] AS p90,
    quantiles[3] AS p95,
    quantiles[4] AS p99
FROM period_rollups
WHERE period NOT IN ('hour', 'day')
"""
FORMER_METRIC_MEANS = """
CREATE MATERIALIZED VIEW metric_means AS
SELECT
    'latest'::text AS time_window,
    sources.source,
    workloads.id AS workload_id,
    llms.id AS llm_id,
    rollups.metric_id,
    rollups.n,
    rollups.mean,
    sqrt(rollups.m2 / nullif(rollups.n - 1, 0)) AS stddev,
    rollups.min,
    rollups.max
FROM (VALUES ('simulation'), ('measurement')) AS sources (source)
CROSS JOIN workloads
CROSS JOIN llms
CROSS JOIN LATERAL (
    SELECT runs.id
    FROM runs
    WHERE runs.source = sources.source
      AND runs.workload_id = workloads.id
      AND runs.llm_id = llms.id
      AND runs.status = 'finished'
    ORDER BY runs.slot DESC
    LIMIT 1
) AS latest
JOIN rollups ON rollups.run_id = latest.id
WHERE llms.archived_at IS NULL
"""
PARTITIONS = {
    "hours": "'hour'",
    "days": "'day'",
    "windows": "'latest', '1h', '24h', '7d', '30d', 'all'",
}
KEY = "(time_window, source, workload_id, llm_id, metric_id)"


def upgrade() -> None:
    for created in (
        HISTOGRAM,
        HISTOGRAM_BUCKET,
        HISTOGRAM_VALUE,
        HISTOGRAM_ADD,
        HISTOGRAM_SUM,
        HISTOGRAM_QUANTILES,
        T_975,
        CREATE_BACKFILL,
    ):
        op.execute(created)

    op.execute("DROP MATERIALIZED VIEW metric_means")
    op.drop_index("ix_runs_finished", "runs")
    op.add_column("rollups", sa.Column("histogram", Histogram))
    op.execute(COMPLETE_BACKFILL)
    op.execute(BACKFILL)
    op.drop_table("histogram_backfill")
    op.execute("DELETE FROM rollups WHERE histogram IS NULL")
    op.alter_column("rollups", "histogram", nullable=False)

    op.create_table(
        "period_rollups",
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("workload_id", sa.Integer, sa.ForeignKey("workloads.id"), primary_key=True),
        sa.Column("llm_id", sa.Integer, sa.ForeignKey("llms.id"), primary_key=True),
        sa.Column("metric_id", sa.SmallInteger, sa.ForeignKey("metrics.id"), primary_key=True),
        sa.Column("starts_at", TIMESTAMP, primary_key=True),
        sa.Column("oldest", TIMESTAMP, nullable=False),
        sa.Column("newest", TIMESTAMP, nullable=False),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("mean", sa.Double, nullable=False),
        sa.Column("m2", sa.Double, nullable=False),
        sa.Column("min", sa.Double, nullable=False),
        sa.Column("max", sa.Double, nullable=False),
        sa.Column("run_weight", sa.Double, nullable=False),
        sa.Column("run_mean", sa.Double, nullable=False),
        sa.Column("run_m2", sa.Double, nullable=False),
        sa.Column("histogram", Histogram, nullable=False),
        sa.Column("quantiles", postgresql.ARRAY(sa.Double), sa.Computed(QUANTILES, persisted=True)),
        postgresql_partition_by="LIST (period)",
    )
    # The few windows, which every refresh reads and writes, are separate from all the hours and days.
    for name, periods in PARTITIONS.items():
        op.execute(
            f"CREATE TABLE period_rollups_{name} PARTITION OF period_rollups FOR VALUES IN ({periods})"
        )
    # For the runs of the last hour, and of any period.
    op.create_index("ix_runs_slot", "runs", ["slot"])
    # Marks all runs as not shown yet, so that the next refresh builds the new rollups from all of them.
    op.execute("UPDATE runs SET generation = NULL")

    for name, view in (("metric_means", METRIC_MEANS), ("metric_quantiles", METRIC_QUANTILES)):
        op.execute(view)
        op.execute(f"CREATE UNIQUE INDEX uq_{name} ON {name} {KEY}")


def downgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW metric_quantiles")
    op.execute("DROP MATERIALIZED VIEW metric_means")
    op.drop_table("period_rollups")
    op.drop_index("ix_runs_slot", "runs")
    op.drop_column("rollups", "histogram")
    op.execute("DROP FUNCTION histogram_quantiles, t_975")
    op.execute("DROP AGGREGATE histogram_sum(histogram)")
    op.execute("DROP FUNCTION histogram_add, histogram_value, histogram_bucket")
    op.execute("DROP TYPE histogram")
    op.create_index(
        "ix_runs_finished",
        "runs",
        ["source", "workload_id", "llm_id", "slot"],
        postgresql_where=sa.text("status = 'finished'"),
    )
    op.execute(FORMER_METRIC_MEANS)
    op.execute(f"CREATE UNIQUE INDEX uq_metric_means ON metric_means {KEY}")
