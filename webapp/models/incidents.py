"""Changes of level, incidents and their messages, and the availability of LLMs."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Boolean, Double, Integer, SmallInteger, Text

from webapp.models.base import TIMESTAMP, Model

IS_STATISTIC = "statistic IN ('mean', 'p95')"


class WatchedSeries(Model):
    """A series of runs that is watched for changes: one statistic of a metric, by LLM and scenario.

    `p_value` is that of no change, after the run in `slot`.
    """

    __tablename__ = "watched_series"
    __table_args__ = (CheckConstraint(IS_STATISTIC, name="statistic"),)

    source: Mapped[str] = mapped_column(Text, primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"), primary_key=True)
    llm_id: Mapped[int] = mapped_column(ForeignKey("llms.id"), primary_key=True)
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"), primary_key=True)
    statistic: Mapped[str] = mapped_column(Text, primary_key=True)
    slot: Mapped[datetime] = mapped_column(TIMESTAMP)
    p_value: Mapped[float] = mapped_column(Double)


class Change(Model):
    """A change of level of a series, for the worse or the better; it never changes itself.

    `slot` is that of the first run of the new level, `detected_slot` that of the run that showed it. `before`
    and `after` are in the metric's unit; `change` is (after - before) / before, with its 95 % confidence
    interval from `low` to `high`.
    """

    __tablename__ = "changes"
    __table_args__ = (
        UniqueConstraint(
            "source", "scenario_id", "llm_id", "metric_id", "statistic", "detected_slot", name="series"
        ),
        CheckConstraint(IS_STATISTIC, name="statistic"),
        Index("ix_changes_detected_slot", "detected_slot"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"))
    llm_id: Mapped[int] = mapped_column(ForeignKey("llms.id"))
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"))
    statistic: Mapped[str] = mapped_column(Text)
    slot: Mapped[datetime] = mapped_column(TIMESTAMP)
    detected_slot: Mapped[datetime] = mapped_column(TIMESTAMP)
    before: Mapped[float] = mapped_column(Double)
    after: Mapped[float] = mapped_column(Double)
    change: Mapped[float] = mapped_column(Double)
    low: Mapped[float] = mapped_column(Double)
    high: Mapped[float] = mapped_column(Double)
    worse: Mapped[bool] = mapped_column(Boolean)


class Incident(Model):
    """What is wrong with one `subject`: a server that is measured, or a simulated LLM.

    A subject has one open incident at most. `started_at` is the slot of the first run that was affected,
    `opened_at` that of the run that showed it; all other times are the clock's.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint("severity IN ('minor', 'major', 'critical')", name="severity"),
        CheckConstraint("resolution IN ('recovered', 'accepted', 'closed')", name="resolution"),
        CheckConstraint("(resolved_at IS NULL) = (resolution IS NULL)", name="resolved"),
        Index(
            "ix_incidents_open",
            "source",
            "subject",
            unique=True,
            postgresql_where=sql("resolved_at IS NULL"),
        ),
        Index("ix_incidents_opened_at", "opened_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    opened_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)
    resolution: Mapped[str | None] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)
    acknowledged_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)
    note: Mapped[str | None] = mapped_column(Text)
    reopened: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))


class Signal(Model):
    """One sign of an incident: a change of a series, or an LLM that is down or degraded in a scenario.

    A change has a metric, a statistic and the figures of its `Change`, of which `after` and what follows from
    it are kept up to date; a degraded LLM has the metric, its bound in `before` and its value in `after`. One
    that was `accepted` ended without a recovery: its level is the new normal.
    """

    __tablename__ = "signals"
    __table_args__ = (
        CheckConstraint("kind IN ('change', 'down', 'degraded')", name="kind"),
        CheckConstraint(IS_STATISTIC, name="statistic"),
        Index("ix_signals_incident_id", "incident_id"),
        Index("ix_signals_series", "llm_id", "scenario_id"),
        Index(
            "ix_signals_active",
            "llm_id",
            "scenario_id",
            "kind",
            "metric_id",
            "statistic",
            unique=True,
            postgresql_where=sql("ended_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"))
    llm_id: Mapped[int] = mapped_column(ForeignKey("llms.id"))
    metric_id: Mapped[int | None] = mapped_column(ForeignKey("metrics.id"))
    statistic: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    detected_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)
    accepted: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))
    before: Mapped[float | None] = mapped_column(Double)
    after: Mapped[float | None] = mapped_column(Double)
    change: Mapped[float | None] = mapped_column(Double)
    low: Mapped[float | None] = mapped_column(Double)
    high: Mapped[float | None] = mapped_column(Double)


class IncidentEvent(Model):
    """A state of an incident, numbered from 1: `state` is what messages about it say.

    `routed` is true once its messages, if any, are stored.
    """

    __tablename__ = "incident_events"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('opened', 'updated', 'resolved', 'reopened', 'acknowledged', 'closed')", name="kind"
        ),
        Index("ix_incident_events_unrouted", "incident_id", "number", postgresql_where=sql("NOT routed")),
    )

    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(TIMESTAMP)
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
    routed: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))


class Message(Model):
    """A message for one target of the benchmark file, in its `notify`; `key` makes it unique there."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("target", "key"),
        Index(
            "ix_messages_pending", "due_at", postgresql_where=sql("sent_at IS NULL AND given_up_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    target: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    due_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)
    given_up_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)
    error: Mapped[str | None] = mapped_column(Text)


class Availability(Model):
    """The number of runs of an hour or a day by how they ended; those still running are not counted."""

    __tablename__ = "availability"
    __table_args__ = (CheckConstraint("period IN ('hour', 'day')", name="period"),)

    period: Mapped[str] = mapped_column(Text, primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"), primary_key=True)
    llm_id: Mapped[int] = mapped_column(ForeignKey("llms.id"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP, primary_key=True)
    finished: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    invalid: Mapped[int] = mapped_column(Integer)
    missed: Mapped[int] = mapped_column(Integer)
