"""Scenarios, self-checks, and a table of metrics that follows the code

What was called a workload is a scenario: a workload at a level, through one provider API. What was called
goodput, a ratio, is slo_attainment; goodput is a rate, as elsewhere.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The API of stored measurements is unknown; nearly all of them used chat.
ADD_API = """
UPDATE scenarios SET definition = definition || '{"api": "chat"}' WHERE definition IS NOT NULL
"""
REMOVE_API = "UPDATE workloads SET definition = definition - 'api' WHERE definition IS NOT NULL"
# After this, the migration environment updates all metrics from the code.
RENAME_METRICS = """
UPDATE metrics SET
    name = CASE name WHEN 'goodput' THEN 'slo_attainment' ELSE name END,
    unit = CASE unit WHEN 'share' THEN 'ratio' ELSE unit END
"""
RESTORE_METRICS = """
UPDATE metrics SET
    name = CASE name WHEN 'slo_attainment' THEN 'goodput' ELSE name END,
    unit = CASE unit WHEN 'ratio' THEN 'share' ELSE unit END,
    formula = CASE id
        WHEN 3 THEN 'time from sending a request to the end of its answer'
        WHEN 4 THEN 'requests answered in full, over the time that the load lasted'
        WHEN 6 THEN 'time from one token to the next; a chunk of several tokens is spread over them'
        WHEN 7 THEN 'output tokens of the requests answered in full, over the time that the load lasted'
        WHEN 8 THEN 'requests that failed, over all requests'
        ELSE formula
    END
"""
# The previous version does not know these metrics.
DELETE_NEW_METRICS = (
    "DELETE FROM points WHERE metric_id > 9",
    "DELETE FROM rollups WHERE metric_id > 9",
    "DELETE FROM period_rollups WHERE metric_id > 9",
    "DELETE FROM metrics WHERE id > 9",
    "REFRESH MATERIALIZED VIEW metric_means",
    "REFRESH MATERIALIZED VIEW metric_quantiles",
)
# Cached answers contain the old names.
RAISE_GENERATION = "UPDATE generation SET value = value + 1"
VIEWS = ("metric_means", "metric_quantiles")
# A partition inherits the names of NOT NULL constraints, but not those of foreign keys.
NAMED_AFTER = """
SELECT conrelid::regclass::text, conname
FROM pg_constraint
WHERE conname LIKE '%' || :word || '%'
  AND connamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'runs'::regclass)
  AND (coninhcount = 0 OR contype = 'f')
"""


def upgrade() -> None:
    op.rename_table("workloads", "scenarios")
    _rename_columns("workload", "scenario")
    _rename_constraints("workload", "scenario")
    op.execute(ADD_API)
    op.rename_table("harness_errors", "self_checks")
    _rename_constraints("harness_errors", "self_checks")
    for column in (
        sa.Column("title", sa.Text, server_default=""),
        sa.Column("lower_bound", sa.Double, server_default="0"),
    ):
        op.add_column("metrics", column)
        op.alter_column("metrics", column.name, nullable=False, server_default=None)
    op.add_column("metrics", sa.Column("upper_bound", sa.Double))
    op.execute(RENAME_METRICS)
    op.execute(RAISE_GENERATION)


def downgrade() -> None:
    for statement in DELETE_NEW_METRICS:
        op.execute(statement)
    op.execute(RESTORE_METRICS)
    for column in ("title", "lower_bound", "upper_bound"):
        op.drop_column("metrics", column)
    op.rename_table("self_checks", "harness_errors")
    _rename_constraints("self_checks", "harness_errors")
    op.rename_table("scenarios", "workloads")
    _rename_columns("scenario", "workload")
    _rename_constraints("scenario", "workload")
    op.execute(REMOVE_API)
    op.execute(RAISE_GENERATION)


def _rename_columns(old: str, new: str) -> None:
    for table in ("runs", "period_rollups"):
        op.alter_column(table, f"{old}_id", new_column_name=f"{new}_id")
    for view in VIEWS:
        op.execute(f"ALTER MATERIALIZED VIEW {view} RENAME COLUMN {old}_id TO {new}_id")
    op.execute(f"ALTER SEQUENCE {old}s_id_seq RENAME TO {new}s_id_seq")


def _rename_constraints(old: str, new: str) -> None:
    for table, name in op.get_bind().execute(sa.text(NAMED_AFTER), {"word": old}).all():
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {name.replace(old, new)}")
