"""Conversations, checked answers and shards

A request may be a turn of a conversation, and its answer may be checked. The shards of a level are stored
until they have become one run. Nullable columns without a default rewrite no table.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

REQUEST_COLUMNS = (
    ("conversation", sa.Integer),
    ("turn", sa.SmallInteger),
    ("answer_valid", sa.Boolean),
)
# The previous version does not know these metrics.
DELETE_NEW_METRICS = (
    "DELETE FROM points WHERE metric_id > 16",
    "DELETE FROM rollups WHERE metric_id > 16",
    "DELETE FROM period_rollups WHERE metric_id > 16",
    "DELETE FROM changes WHERE metric_id > 16",
    "DELETE FROM watched_series WHERE metric_id > 16",
    # An incident without a signal would never end.
    "DELETE FROM incidents WHERE id IN (SELECT incident_id FROM signals GROUP BY incident_id"
    " HAVING bool_and(coalesce(metric_id > 16, false)))",
    "DELETE FROM signals WHERE metric_id > 16",
    "DELETE FROM metrics WHERE id > 16",
    "REFRESH MATERIALIZED VIEW metric_means",
    "REFRESH MATERIALIZED VIEW metric_quantiles",
)


def upgrade() -> None:
    for name, kind in REQUEST_COLUMNS:
        op.add_column("requests", sa.Column(name, kind))
    op.create_table(
        "run_shards",
        sa.Column("run_id", sa.BigInteger, sa.ForeignKey("runs.id", name="fk_run_shards_run_id")),
        sa.Column("token", sa.Uuid),
        sa.Column("shard", sa.SmallInteger),
        sa.Column("stored_at", TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "token", "shard", name="pk_run_shards"),
    )


def downgrade() -> None:
    op.drop_table("run_shards")
    for statement in DELETE_NEW_METRICS:
        op.execute(statement)
    for name, _ in REQUEST_COLUMNS:
        op.drop_column("requests", name)
