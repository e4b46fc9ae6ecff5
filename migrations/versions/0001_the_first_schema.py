"""The first schema, with three LLMs, four metrics and the view of latest means

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)

LLMS = [
    {"name": "GPT-4o", "company_name": "openai", "provider": "openai"},
    {"name": "Llama 3.1 70B", "company_name": "meta", "provider": "meta"},
    {"name": "Claude 3.5 Sonnet", "company_name": "anthropic", "provider": "anthropic"},
]

METRICS = [
    {
        "id": 1,
        "name": "ttft",
        "unit": "s",
        "better": "lower",
        "formula": "time from sending a request to its first token",
    },
    {
        "id": 2,
        "name": "tps",
        "unit": "tokens/s",
        "better": "higher",
        "formula": "output tokens after the first, over the time from the first token to the last",
    },
    {
        "id": 3,
        "name": "e2e_latency",
        "unit": "s",
        "better": "lower",
        "formula": "time from sending a request to the end of its answer",
    },
    {
        "id": 4,
        "name": "rps",
        "unit": "requests/s",
        "better": "higher",
        "formula": "requests answered in full, over the time that the load lasted",
    },
]

WORKLOADS = [{"name": "default", "description": "Simulated values; nothing is asked of any LLM"}]

# Finds the newest finished run of each (source, workload, LLM) by index, so that the cost does not grow with
# the number of runs.
METRIC_MEANS = """
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


def upgrade() -> None:
    llms = op.create_table(
        "llms",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("company_name", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False, server_default=sa.text("now()")),
        sa.Column("archived_at", TIMESTAMP),
    )
    metrics = op.create_table(
        "metrics",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column(
            "better",
            sa.Text,
            sa.CheckConstraint("better IN ('lower', 'higher')", name="better"),
            nullable=False,
        ),
        sa.Column("formula", sa.Text, nullable=False),
    )
    workloads = op.create_table(
        "workloads",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("workload_id", sa.Integer, sa.ForeignKey("workloads.id"), nullable=False),
        sa.Column("llm_id", sa.Integer, sa.ForeignKey("llms.id"), nullable=False),
        sa.Column("slot", TIMESTAMP, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
        sa.Column("token", sa.Uuid, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.Column("finished_at", TIMESTAMP),
        sa.Column("points", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("generation", sa.BigInteger),
        sa.UniqueConstraint("source", "workload_id", "llm_id", "slot"),
        sa.CheckConstraint("source IN ('simulation', 'measurement')", name="source"),
        sa.CheckConstraint("status IN ('running', 'finished', 'failed')", name="status"),
    )
    op.create_index(
        "ix_runs_finished",
        "runs",
        ["source", "workload_id", "llm_id", "slot"],
        postgresql_where=sa.text("status = 'finished'"),
    )
    op.create_index(
        "ix_runs_unseen",
        "runs",
        ["id"],
        postgresql_where=sa.text("status = 'finished' AND generation IS NULL"),
    )
    op.create_index("ix_runs_job_id", "runs", ["job_id"])
    op.create_table(
        "points",
        sa.Column("recorded_at", TIMESTAMP, nullable=False),
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.Column("metric_id", sa.SmallInteger, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        postgresql_partition_by="RANGE (recorded_at)",
    )
    op.create_table(
        "rollups",
        sa.Column("run_id", sa.BigInteger, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("metric_id", sa.SmallInteger, sa.ForeignKey("metrics.id"), primary_key=True),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("mean", sa.Double, nullable=False),
        sa.Column("m2", sa.Double, nullable=False),
        sa.Column("min", sa.Double, nullable=False),
        sa.Column("max", sa.Double, nullable=False),
    )
    op.create_table(
        "generation",
        sa.Column(
            "only_row",
            sa.Boolean,
            sa.CheckConstraint("only_row", name="only_row"),
            primary_key=True,
            server_default=sa.text("true"),
        ),
        sa.Column("value", sa.BigInteger, nullable=False),
    )

    op.bulk_insert(llms, LLMS)
    op.bulk_insert(metrics, METRICS)
    op.bulk_insert(workloads, WORKLOADS)
    # Starts at the clock, not at 1: a new database must not repeat the generations, and so the ETags and
    # cache keys, of its predecessor.
    op.execute("INSERT INTO generation (value) VALUES (extract(epoch FROM clock_timestamp()) * 1000000)")

    op.execute(METRIC_MEANS)
    op.execute(
        "CREATE UNIQUE INDEX uq_metric_means ON metric_means"
        " (time_window, source, workload_id, llm_id, metric_id)"
    )


def downgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW metric_means")
    for table in ("generation", "rollups", "points", "runs", "workloads", "metrics", "llms"):
        op.drop_table(table)
