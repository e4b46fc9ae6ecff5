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

# DDSketch (Masson, Rim and Lee, VLDB 2019) with a relative accuracy a of 1 %: gamma = (1 + a) / (1 - a), a
# positive x lies in bucket ceil(ln x / ln gamma), and 2 gamma^bucket / (gamma + 1) is within a of all in it.
# So that buckets of either sign stand in the order of their values: 0 is zero's own bucket, positive
# buckets are shifted by +65536 and negative ones mirrored. A float8's logarithm never reaches that far.
HISTOGRAM_BUCKET = """
CREATE FUNCTION histogram_bucket(x double precision) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN x = 0 THEN 0
        ELSE (sign(x) * (65536 + ceil(ln(abs(x)) / ln(1.01::double precision / 0.99))))::integer
    END
$$
"""
HISTOGRAM_VALUE = """
CREATE FUNCTION histogram_value(bucket integer) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN bucket = 0 THEN 0
        ELSE sign(bucket) * exp((abs(bucket) - 65536) * ln(1.01::double precision / 0.99))
            * 2 / (1.01::double precision / 0.99 + 1)
    END
$$
"""

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
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN df < 1 THEN NULL
        WHEN df <= 60 THEN (ARRAY[T_VALUES]::double precision[])[df]
        ELSE (
            SELECT z + (z^3 + z) / (4 * v)
                + (5 * z^5 + 16 * z^3 + 3 * z) / (96 * v^2)
                + (3 * z^7 + 19 * z^5 + 17 * z^3 - 15 * z) / (384 * v^3)
                + (79 * z^9 + 776 * z^7 + 1482 * z^5 - 1920 * z^3 - 945 * z) / (92160 * v^4)
            FROM (SELECT 1.959963984540054::double precision AS z, df::double precision AS v) AS normal
        )
    END
$$
""".replace("T_VALUES", T_975_TABLE.strip().rstrip(","))

# Runs that the former version stored get their histograms from their points.
BACKFILL = """
UPDATE rollups SET buckets = histogram.buckets, counts = histogram.counts
FROM (
    SELECT
        run_id,
        metric_id,
        array_agg(bucket ORDER BY bucket) AS buckets,
        array_agg(n ORDER BY bucket) AS counts
    FROM (
        SELECT run_id, metric_id, histogram_bucket(value) AS bucket, count(*) AS n
        FROM points
        GROUP BY run_id, metric_id, bucket
    ) AS counted
    GROUP BY run_id, metric_id
) AS histogram
WHERE histogram.run_id = rollups.run_id AND histogram.metric_id = rollups.metric_id
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
SELECT period AS time_window, source, workload_id, llm_id, metric_id, p50, p90, p95, p99
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
KEY = "(time_window, source, workload_id, llm_id, metric_id)"


def upgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW metric_means")
    op.drop_index("ix_runs_finished", "runs")
    for function in (HISTOGRAM_BUCKET, HISTOGRAM_VALUE, T_975):
        op.execute(function)

    op.add_column("rollups", sa.Column("buckets", postgresql.ARRAY(sa.Integer)))
    op.add_column("rollups", sa.Column("counts", postgresql.ARRAY(sa.BigInteger)))
    op.execute(BACKFILL)
    op.execute("DELETE FROM rollups WHERE buckets IS NULL")
    op.alter_column("rollups", "buckets", nullable=False)
    op.alter_column("rollups", "counts", nullable=False)

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
        sa.Column("buckets", postgresql.ARRAY(sa.Integer), nullable=False),
        sa.Column("counts", postgresql.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("p50", sa.Double, nullable=False),
        sa.Column("p90", sa.Double, nullable=False),
        sa.Column("p95", sa.Double, nullable=False),
        sa.Column("p99", sa.Double, nullable=False),
        sa.CheckConstraint(
            "period IN ('hour', 'day', 'latest', '1h', '24h', '7d', '30d', 'all')", name="period"
        ),
    )
    # Finds the few windows among all hours and days.
    op.create_index(
        "ix_period_rollups_windows",
        "period_rollups",
        ["period", "oldest"],
        postgresql_where=sa.text("period NOT IN ('hour', 'day')"),
    )
    # Finds the runs of the last hour, and of any time.
    op.create_index("ix_runs_slot", "runs", ["slot"])
    # Every run counts as not yet shown, so that the next refresh builds the new rollups from all of them.
    op.execute("UPDATE runs SET generation = NULL")

    for name, view in (("metric_means", METRIC_MEANS), ("metric_quantiles", METRIC_QUANTILES)):
        op.execute(view)
        op.execute(f"CREATE UNIQUE INDEX uq_{name} ON {name} {KEY}")


def downgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW metric_quantiles")
    op.execute("DROP MATERIALIZED VIEW metric_means")
    op.drop_table("period_rollups")
    op.drop_index("ix_runs_slot", "runs")
    op.drop_column("rollups", "counts")
    op.drop_column("rollups", "buckets")
    for function in ("t_975(bigint)", "histogram_value(integer)", "histogram_bucket(double precision)"):
        op.execute(f"DROP FUNCTION {function}")
    op.create_index(
        "ix_runs_finished",
        "runs",
        ["source", "workload_id", "llm_id", "slot"],
        postgresql_where=sa.text("status = 'finished'"),
    )
    op.execute(FORMER_METRIC_MEANS)
    op.execute(f"CREATE UNIQUE INDEX uq_metric_means ON metric_means {KEY}")
