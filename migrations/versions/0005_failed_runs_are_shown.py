"""Runs that failed or were invalid are shown by a generation, too

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _replace_index("status <> 'running' AND generation IS NULL")


def downgrade() -> None:
    op.execute("UPDATE runs SET generation = NULL WHERE status <> 'finished'")
    _replace_index("status = 'finished' AND generation IS NULL")


def _replace_index(predicate: str) -> None:
    op.drop_index("ix_runs_unseen", "runs")
    op.create_index("ix_runs_unseen", "runs", ["id"], postgresql_where=sa.text(predicate))
