"""The tables. Migrations are made from these; the hot path speaks SQL to them through `webapp.store`."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Boolean, Double, Integer, SmallInteger, Text, Uuid

from webapp.extensions import db

if TYPE_CHECKING:
    from sqlalchemy.orm import DeclarativeBase as Model
else:
    Model = db.Model

TIMESTAMP = DateTime(timezone=True)


class LLM(Model):
    """A model as one provider serves it: what is ranked."""

    __tablename__ = "llms"

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    company_name: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP, server_default=sql("now()"))
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)


class Metric(Model):
    """The catalogue of `webapp.metrics`, for readers that have only the database."""

    __tablename__ = "metrics"
    __table_args__ = (CheckConstraint("better IN ('lower', 'higher')", name="better"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text, unique=True)
    unit: Mapped[str] = mapped_column(Text)
    better: Mapped[str] = mapped_column(Text)
    formula: Mapped[str] = mapped_column(Text)


class Workload(Model):
    """What was asked of an LLM. Only like is ranked with like."""

    __tablename__ = "workloads"

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    description: Mapped[str] = mapped_column(Text)


class Run(Model):
    """One LLM's turn in one slot. Its unique row is what makes a slot count exactly once.

    `token` names the attempt that may write; `generation` is the first generation of the views that shows
    the run, NULL until then.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("source", "workload_id", "llm_id", "slot"),
        CheckConstraint("source IN ('simulation', 'measurement')", name="source"),
        CheckConstraint("status IN ('running', 'finished', 'failed')", name="status"),
        # Finds an LLM's latest finished run without passing by the failed ones.
        Index(
            "ix_runs_finished",
            "source",
            "workload_id",
            "llm_id",
            "slot",
            postgresql_where=sql("status = 'finished'"),
        ),
        # Finds what the views do not show yet.
        Index(
            "ix_runs_unseen",
            "id",
            postgresql_where=sql("status = 'finished' AND generation IS NULL"),
        ),
        Index("ix_runs_job_id", "job_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    workload_id: Mapped[int] = mapped_column(ForeignKey("workloads.id"))
    llm_id: Mapped[int] = mapped_column(ForeignKey("llms.id"))
    slot: Mapped[datetime] = mapped_column(TIMESTAMP)
    status: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger)
    token: Mapped[UUID] = mapped_column(Uuid)
    job_id: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP)
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)
    points: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    generation: Mapped[int | None] = mapped_column(BigInteger)


# One row an observed value, partitioned by day of `recorded_at`, which is the run's slot. It has neither a
# primary key nor foreign keys: the run's row, written in the same transaction, vouches for its points, and
# checking each of millions would cost more than storing it.
points = db.Table(
    "points",
    Column("recorded_at", TIMESTAMP, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    Column("metric_id", SmallInteger, nullable=False),
    Column("value", Double, nullable=False),
    postgresql_partition_by="RANGE (recorded_at)",
)


class Rollup(Model):
    """One run's values of one metric in five numbers; `m2` is the sum of squared deviations from the mean."""

    __tablename__ = "rollups"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"), primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    mean: Mapped[float] = mapped_column(Double)
    m2: Mapped[float] = mapped_column(Double)
    min: Mapped[float] = mapped_column(Double)
    max: Mapped[float] = mapped_column(Double)


class Generation(Model):
    """One row: a number that each refresh of the views raises in its own transaction."""

    __tablename__ = "generation"
    __table_args__ = (CheckConstraint("only_row", name="only_row"),)

    only_row: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=sql("true"))
    value: Mapped[int] = mapped_column(BigInteger)
