"""Requests, metrics that are only measured, invalid runs, and self-checks

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)

METRICS = [
    {
        "id": 5,
        "name": "tpot",
        "unit": "s/token",
        "better": "lower",
        "formula": "time from the first token to the last, over the output tokens after the first",
    },
    {
        "id": 6,
        "name": "itl",
        "unit": "s",
        "better": "lower",
        "formula": "time from one token to the next; a chunk of several tokens is spread over them",
    },
    {
        "id": 7,
        "name": "output_throughput",
        "unit": "tokens/s",
        "better": "higher",
        "formula": "output tokens of the requests answered in full, over the time that the load lasted",
    },
    {
        "id": 8,
        "name": "error_rate",
        "unit": "share",
        "better": "lower",
        "formula": "requests that failed, over all requests",
    },
    {
        "id": 9,
        "name": "goodput",
        "unit": "share",
        "better": "higher",
        "formula": "requests that met every objective (SLO), over all requests, failed ones included",
    },
]
IDS = [metric["id"] for metric in METRICS]

# The previous version does not know what only measurements store.
DELETE_MEASUREMENTS = (
    "DELETE FROM points WHERE metric_id = ANY(:ids)",
    "DELETE FROM rollups WHERE metric_id = ANY(:ids)",
    "DELETE FROM period_rollups WHERE metric_id = ANY(:ids)",
    "DELETE FROM metrics WHERE id = ANY(:ids)",
    "UPDATE runs SET status = 'failed', error = invalid_reason WHERE status = 'invalid'",
)


def upgrade() -> None:
    metrics = sa.table("metrics", *(sa.column(name) for name in METRICS[0]))
    op.bulk_insert(metrics, METRICS)
    op.add_column("llms", sa.Column("simulated", sa.Boolean, nullable=False, server_default=sa.text("true")))
    op.add_column("workloads", sa.Column("definition", postgresql.JSONB))
    op.add_column("runs", sa.Column("invalid_reason", sa.Text))
    op.add_column("runs", sa.Column("measurement", postgresql.JSONB))
    _allow_statuses("running", "finished", "failed", "invalid")
    op.create_table(
        "requests",
        sa.Column("recorded_at", TIMESTAMP, primary_key=True),
        sa.Column("run_id", sa.BigInteger, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("warmup", sa.Boolean, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("intended_ns", sa.BigInteger, nullable=False),
        sa.Column("sent_ns", sa.BigInteger, nullable=False),
        sa.Column("connect_ns", sa.BigInteger, nullable=False),
        sa.Column("first_byte_ns", sa.BigInteger),
        sa.Column("first_token_ns", sa.BigInteger),
        sa.Column("last_token_ns", sa.BigInteger),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sa.Column("chunk_offsets_ns", postgresql.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("chunk_tokens", postgresql.ARRAY(sa.Integer), nullable=False),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("output_tokens", sa.Integer),
        sa.Column("token_source", sa.Text),
        sa.Column("finish_reason", sa.Text),
        sa.Column("http_status", sa.SmallInteger),
        sa.Column("error", sa.Text),
        sa.Column("error_detail", sa.Text),
        postgresql_partition_by="RANGE (recorded_at)",
    )
    op.create_table(
        "harness_errors",
        sa.Column("slot", TIMESTAMP, primary_key=True),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("known_s", sa.Double, nullable=False),
        sa.Column("p50_s", sa.Double, nullable=False),
        sa.Column("p99_s", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("harness_errors")
    op.drop_table("requests")
    for statement in DELETE_MEASUREMENTS:
        op.execute(sa.text(statement).bindparams(ids=IDS) if ":ids" in statement else statement)
    _allow_statuses("running", "finished", "failed")
    op.drop_column("runs", "measurement")
    op.drop_column("runs", "invalid_reason")
    op.drop_column("workloads", "definition")
    op.drop_column("llms", "simulated")


def _allow_statuses(*statuses: str) -> None:
    op.drop_constraint(op.f("ck_runs_status"), "runs")
    listed = ", ".join(f"'{status}'" for status in statuses)
    op.create_check_constraint(op.f("ck_runs_status"), "runs", f"status IN ({listed})")
