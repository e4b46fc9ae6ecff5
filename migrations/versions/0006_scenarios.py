"""Scenarios, self-checks, and a catalogue of metrics that follows the code

What was called a workload is a scenario: a workload at a level, of one provider API. Goodput as a share is
called slo_attainment; goodput is a rate.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Which API stored measurements asked is not known; nearly all asked chat.
STORED_API = """
UPDATE scenarios SET definition = definition || '{"api": "chat"}' WHERE definition IS NOT NULL
"""
FORGET_API = "UPDATE workloads SET definition = definition - 'api' WHERE definition IS NOT NULL"
# The migration environment fills in the rest of the catalogue from the code.
RENAME_METRICS = """
UPDATE metrics SET
    name = CASE name WHEN 'goodput' THEN 'slo_attainment' ELSE name END,
    unit = CASE unit WHEN 'share' THEN 'ratio' ELSE unit END
"""
RESTORE_METRICS = """
UPDATE metrics SET
    name = CASE name WHEN 'slo_attainment' THEN 'goodput' ELSE name END,
    unit = CASE unit WHEN 'ratio' THEN 'share' ELSE unit END
"""
# The former version knows none of these.
FORGET_NEW_METRICS = (
    "DELETE FROM points WHERE metric_id > 9",
    "DELETE FROM rollups WHERE metric_id > 9",
    "DELETE FROM period_rollups WHERE metric_id > 9",
    "DELETE FROM metrics WHERE id > 9",
)
VIEWS = ("metric_means", "metric_quantiles")
CONSTRAINTS = (
    ("runs", "uq_runs_source_{}_id_llm_id_slot"),
    ("runs", "fk_runs_{}_id"),
    ("period_rollups", "fk_period_rollups_{}_id"),
    ("{}s", "pk_{}s"),
    ("{}s", "uq_{}s_name"),
)


def upgrade() -> None:
    op.rename_table("workloads", "scenarios")
    _rename("workload", "scenario")
    op.execute(STORED_API)
    op.rename_table("harness_errors", "self_checks")
    op.execute("ALTER TABLE self_checks RENAME CONSTRAINT pk_harness_errors TO pk_self_checks")
    for column in (
        sa.Column("title", sa.Text, server_default=""),
        sa.Column("lower_bound", sa.Double, server_default="0"),
    ):
        op.add_column("metrics", column)
        op.alter_column("metrics", column.name, nullable=False, server_default=None)
    op.add_column("metrics", sa.Column("upper_bound", sa.Double))
    op.execute(RENAME_METRICS)


def downgrade() -> None:
    for statement in FORGET_NEW_METRICS:
        op.execute(statement)
    op.execute(RESTORE_METRICS)
    for column in ("title", "lower_bound", "upper_bound"):
        op.drop_column("metrics", column)
    op.execute("ALTER TABLE self_checks RENAME CONSTRAINT pk_self_checks TO pk_harness_errors")
    op.rename_table("self_checks", "harness_errors")
    op.rename_table("scenarios", "workloads")
    _rename("scenario", "workload")
    op.execute(FORGET_API)


def _rename(old: str, new: str) -> None:
    """Rename columns and constraints after the table, whose name has changed already."""
    for table in ("runs", "period_rollups"):
        op.alter_column(table, f"{old}_id", new_column_name=f"{new}_id")
    for view in VIEWS:
        op.execute(f"ALTER MATERIALIZED VIEW {view} RENAME COLUMN {old}_id TO {new}_id")
    op.execute(f"ALTER SEQUENCE {old}s_id_seq RENAME TO {new}s_id_seq")
    for table, constraint in CONSTRAINTS:
        former, name = (constraint.format(word, word) for word in (old, new))
        op.execute(f"ALTER TABLE {table.format(new)} RENAME CONSTRAINT {former} TO {name}")
