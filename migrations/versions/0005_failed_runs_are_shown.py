"""Failed and invalid runs are marked with the generation that shows them

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A run that is claimed again has still to be shown, whichever version of the program claims it.
FORGET = """
CREATE FUNCTION forget_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.generation := NULL;
    RETURN NEW;
END
$$
"""
TRIGGER = """
CREATE TRIGGER forget_generation BEFORE UPDATE OF status ON runs
FOR EACH ROW WHEN (NEW.status = 'running')
EXECUTE FUNCTION forget_generation()
"""


def upgrade() -> None:
    op.execute(FORGET)
    op.execute(TRIGGER)
    _replace_index("status <> 'running' AND generation IS NULL")
    op.create_index("ix_runs_not_finished", "runs", ["id"], postgresql_where=sa.text("status <> 'finished'"))


def downgrade() -> None:
    op.drop_index("ix_runs_not_finished", "runs")
    op.execute("UPDATE runs SET generation = NULL WHERE status <> 'finished'")
    _replace_index("status = 'finished' AND generation IS NULL")
    op.execute("DROP TRIGGER forget_generation ON runs")
    op.execute("DROP FUNCTION forget_generation()")


def _replace_index(predicate: str) -> None:
    op.drop_index("ix_runs_unseen", "runs")
    op.create_index("ix_runs_unseen", "runs", ["id"], postgresql_where=sa.text(predicate))
