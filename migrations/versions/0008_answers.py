"""What else is known of an answer: its first answer token, cached and reasoning tokens, and its model

Rows that are already stored have none of it. Nullable columns without a default rewrite no partition.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = {
    "first_answer_ns": sa.BigInteger,
    "cached_tokens": sa.Integer,
    "reasoning_tokens": sa.Integer,
    "answered_by": sa.Text,
}
# The previous version does not know ttfa, reasoning_share and the two throughputs.
DELETE_NEW_METRICS = (
    *(
        f"DELETE FROM {table} WHERE metric_id IN (11, 12, 13, 14)"  # noqa: S608  (constants of this file)
        for table in ("points", "rollups", "period_rollups")
    ),
    "DELETE FROM metrics WHERE id IN (11, 12, 13, 14)",
    "REFRESH MATERIALIZED VIEW metric_means",
    "REFRESH MATERIALIZED VIEW metric_quantiles",
)
# Cached answers list the metrics.
RAISE_GENERATION = "UPDATE generation SET value = value + 1"


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("requests", sa.Column(name, kind))
    op.execute(RAISE_GENERATION)


def downgrade() -> None:
    for statement in DELETE_NEW_METRICS:
        op.execute(statement)
    for name in COLUMNS:
        op.drop_column("requests", name)
    op.execute(RAISE_GENERATION)
