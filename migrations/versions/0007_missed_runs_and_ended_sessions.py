"""Missed runs, ended sessions, and changes of the generation that are under way

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _replace_statuses("'running', 'finished', 'failed', 'invalid', 'missed'")
    op.add_column(
        "generation", sa.Column("changing", sa.Boolean, nullable=False, server_default=sa.text("false"))
    )
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("ended_sessions")
    op.drop_column("generation", "changing")
    op.execute("DELETE FROM runs WHERE status = 'missed'")
    _replace_statuses("'running', 'finished', 'failed', 'invalid'")


def _replace_statuses(statuses: str) -> None:
    op.drop_constraint("status", "runs", type_="check")
    op.create_check_constraint("status", "runs", f"status IN ({statuses})")
