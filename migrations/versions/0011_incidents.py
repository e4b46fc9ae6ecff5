"""Changes of level, incidents with their signals, events and messages, and the availability of LLMs

Existing rollups keep a NULL as their 95th percentile, so that no table is rewritten.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIMESTAMP = sa.TIMESTAMP(timezone=True)
STATISTIC = "statistic IN ('mean', 'p95')"
# Of runs that the next refresh shows, it counts the days again.
COUNT_RUNS = """
INSERT INTO availability (period, source, scenario_id, llm_id, starts_at, finished, failed, invalid, missed)
SELECT
    period, source, scenario_id, llm_id, date_trunc(period, slot, 'UTC'),
    count(*) FILTER (WHERE status = 'finished'),
    count(*) FILTER (WHERE status = 'failed'),
    count(*) FILTER (WHERE status = 'invalid'),
    count(*) FILTER (WHERE status = 'missed')
FROM runs
CROSS JOIN unnest(ARRAY['hour', 'day']) AS period
WHERE status <> 'running'
GROUP BY period, source, scenario_id, llm_id, date_trunc(period, slot, 'UTC')
"""


def upgrade() -> None:
    _create_series()
    _create_incidents()
    _create_availability()
    op.add_column("rollups", sa.Column("p95", sa.Double))


def downgrade() -> None:
    op.drop_column("rollups", "p95")
    for table in (
        "availability",
        "messages",
        "incident_events",
        "signals",
        "incidents",
        "changes",
        "watched_series",
    ):
        op.drop_table(table)


def _create_series() -> None:
    op.create_table(
        "watched_series",
        *_series(primary_key=True),
        sa.Column("slot", TIMESTAMP, nullable=False),
        sa.Column("p_value", sa.Double, nullable=False),
        sa.CheckConstraint(STATISTIC, name="statistic"),
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        *_series(),
        sa.Column("slot", TIMESTAMP, nullable=False),
        sa.Column("detected_slot", TIMESTAMP, nullable=False),
        *_figures(nullable=False),
        sa.Column("worse", sa.Boolean, nullable=False),
        sa.UniqueConstraint(
            "source", "scenario_id", "llm_id", "metric_id", "statistic", "detected_slot", name="series"
        ),
        sa.CheckConstraint(STATISTIC, name="statistic"),
    )
    op.create_index("ix_changes_detected_slot", "changes", ["detected_slot"])


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.Column("opened_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.Column("resolved_at", TIMESTAMP),
        sa.Column("resolution", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("acknowledged_at", TIMESTAMP),
        sa.Column("note", sa.Text),
        sa.Column("reopened", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
        sa.CheckConstraint("severity IN ('minor', 'major', 'critical')", name="severity"),
        sa.CheckConstraint("resolution IN ('recovered', 'accepted', 'closed')", name="resolution"),
        sa.CheckConstraint("(resolved_at IS NULL) = (resolution IS NULL)", name="resolved"),
    )
    op.create_index(
        "ix_incidents_open",
        "incidents",
        ["source", "subject"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at"])
    op.create_table(
        "signals",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column(
            "incident_id", sa.BigInteger, sa.ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("scenario_id", sa.Integer, sa.ForeignKey("scenarios.id"), nullable=False),
        sa.Column("llm_id", sa.Integer, sa.ForeignKey("llms.id"), nullable=False),
        sa.Column("metric_id", sa.SmallInteger, sa.ForeignKey("metrics.id")),
        sa.Column("statistic", sa.Text),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.Column("detected_at", TIMESTAMP, nullable=False),
        sa.Column("ended_at", TIMESTAMP),
        sa.Column("accepted", sa.Boolean, nullable=False, server_default=sa.text("false")),
        *_figures(nullable=True),
        sa.CheckConstraint("kind IN ('change', 'down', 'degraded')", name="kind"),
        sa.CheckConstraint(STATISTIC, name="statistic"),
    )
    op.create_index("ix_signals_incident_id", "signals", ["incident_id"])
    op.create_index("ix_signals_series", "signals", ["llm_id", "scenario_id"])
    op.create_index(
        "ix_signals_active",
        "signals",
        ["llm_id", "scenario_id", "kind", "metric_id", "statistic"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "incident_events",
        sa.Column(
            "incident_id",
            sa.BigInteger,
            sa.ForeignKey("incidents.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("state", sa.dialects.postgresql.JSONB, nullable=False),
        sa.Column("routed", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.CheckConstraint(
            "kind IN ('opened', 'updated', 'resolved', 'reopened', 'acknowledged', 'closed')", name="kind"
        ),
    )
    op.create_index(
        "ix_incident_events_unrouted",
        "incident_events",
        ["incident_id", "number"],
        postgresql_where=sa.text("NOT routed"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body", sa.dialects.postgresql.JSONB, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("due_at", TIMESTAMP, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("sent_at", TIMESTAMP),
        sa.Column("given_up_at", TIMESTAMP),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("target", "key"),
    )
    op.create_index(
        "ix_messages_pending",
        "messages",
        ["due_at"],
        postgresql_where=sa.text("sent_at IS NULL AND given_up_at IS NULL"),
    )


def _create_availability() -> None:
    op.create_table(
        "availability",
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("scenario_id", sa.Integer, sa.ForeignKey("scenarios.id"), primary_key=True),
        sa.Column("llm_id", sa.Integer, sa.ForeignKey("llms.id"), primary_key=True),
        sa.Column("starts_at", TIMESTAMP, primary_key=True),
        sa.Column("finished", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("invalid", sa.Integer, nullable=False),
        sa.Column("missed", sa.Integer, nullable=False),
        sa.CheckConstraint("period IN ('hour', 'day')", name="period"),
    )
    op.execute(COUNT_RUNS)


def _series(primary_key: bool = False) -> list[sa.Column]:
    return [
        sa.Column("source", sa.Text, primary_key=primary_key, nullable=False),
        sa.Column(
            "scenario_id",
            sa.Integer,
            sa.ForeignKey("scenarios.id"),
            primary_key=primary_key,
            nullable=False,
        ),
        sa.Column("llm_id", sa.Integer, sa.ForeignKey("llms.id"), primary_key=primary_key, nullable=False),
        sa.Column(
            "metric_id", sa.SmallInteger, sa.ForeignKey("metrics.id"), primary_key=primary_key, nullable=False
        ),
        sa.Column("statistic", sa.Text, primary_key=primary_key, nullable=False),
    ]


def _figures(nullable: bool) -> list[sa.Column]:
    return [
        sa.Column(name, sa.Double, nullable=nullable) for name in ("before", "after", "change", "low", "high")
    ]
