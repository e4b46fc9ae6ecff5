"""A run that is retried keeps what was shown of it until a generation shows its new end

Nullable columns without a default rewrite no table. A run that was claimed again before the migration is
shown again once it has ended.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = ("former_status", "former_reason")
# Whichever version of the program claims the run. An end that was never shown leaves what was shown before.
KEEP_WHAT_WAS_SHOWN = """
CREATE OR REPLACE FUNCTION forget_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.generation IS NOT NULL THEN
        NEW.former_status := OLD.status;
        NEW.former_reason := coalesce(OLD.invalid_reason, OLD.error);
    END IF;
    NEW.generation := NULL;
    RETURN NEW;
END
$$
"""
FORMER_FORGET = """
CREATE OR REPLACE FUNCTION forget_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.generation := NULL;
    RETURN NEW;
END
$$
"""
# Cached answers list failures and scenarios.
RAISE_GENERATION = "UPDATE generation SET value = value + 1"


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("runs", sa.Column(name, sa.Text))
    op.execute(KEEP_WHAT_WAS_SHOWN)
    op.execute(RAISE_GENERATION)


def downgrade() -> None:
    op.execute(FORMER_FORGET)
    for name in COLUMNS:
        op.drop_column("runs", name)
    op.execute(RAISE_GENERATION)
