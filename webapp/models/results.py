"""LLMs, runs, their values and what is merged from them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Boolean, Double, Integer, LargeBinary, SmallInteger, Text, Uuid

from webapp.extensions import db
from webapp.models.base import TIMESTAMP, Histogram, Model


class LLM(Model):
    """A model as one provider serves it: what is ranked.

    An LLM that only the benchmark file declares is not `simulated`.
    """

    __tablename__ = "llms"

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    company_name: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP, server_default=sql("now()"))
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP)
    simulated: Mapped[bool] = mapped_column(Boolean, server_default=sql("true"))


class Metric(Model):
    """The registered metrics, for readers of the database; `flask db upgrade` brings them up to date."""

    __tablename__ = "metrics"
    __table_args__ = (CheckConstraint("better IN ('lower', 'higher')", name="better"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text, unique=True)
    unit: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    better: Mapped[str] = mapped_column(Text)
    formula: Mapped[str] = mapped_column(Text)
    lower_bound: Mapped[float] = mapped_column(Double)
    upper_bound: Mapped[float | None] = mapped_column(Double)


class Scenario(Model):
    """A workload at a level, from a region. Only like is ranked with like, so `definition` never changes.

    `definition` contains all that makes two measurements comparable; NULL for the simulation. The name is
    workload@level, or workload@level@region.
    """

    __tablename__ = "scenarios"

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    description: Mapped[str] = mapped_column(Text)
    definition: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Run(Model):
    """One LLM's run in one slot. The unique constraint makes a slot count exactly once.

    `token` identifies the attempt that may write. `generation` is the first generation that shows the run's
    end, NULL until then. An invalid run ended without an error, but says nothing about the LLM: it has an
    `invalid_reason`, no points and no rollups. A missed run was never attempted; `error` holds the reason.
    `measurement` describes a measured run as a whole.

    `former_status` and `former_reason` are what is shown while `generation` is NULL: what a generation had
    shown when the run was claimed again; NULL if nothing. The trigger `forget_generation` keeps them.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("source", "scenario_id", "llm_id", "slot"),
        CheckConstraint("source IN ('simulation', 'measurement')", name="source"),
        CheckConstraint("status IN ('running', 'finished', 'failed', 'invalid', 'missed')", name="status"),
        # For runs that no generation shows yet.
        Index(
            "ix_runs_unseen",
            "id",
            postgresql_where=sql("status <> 'running' AND generation IS NULL"),
        ),
        # For filters by a status that few runs have.
        Index("ix_runs_not_finished", "id", postgresql_where=sql("status <> 'finished'")),
        Index("ix_runs_job_id", "job_id"),
        Index("ix_runs_slot", "slot"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"))
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
    invalid_reason: Mapped[str | None] = mapped_column(Text)
    measurement: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    former_status: Mapped[str | None] = mapped_column(Text)
    former_reason: Mapped[str | None] = mapped_column(Text)


# One row per observed value, partitioned by day of `recorded_at`, which is the run's slot. It has neither a
# primary key nor foreign keys: the run's row, written in the same transaction, makes its points unique, and
# checking each of millions would cost more than storing it.
points = db.Table(
    "points",
    Column("recorded_at", TIMESTAMP, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    Column("metric_id", SmallInteger, nullable=False),
    Column("value", Double, nullable=False),
    postgresql_partition_by="RANGE (recorded_at)",
)

# One row per request of a measured run, from which its points can be derived again; partitioned like points.
# `number` counts within the run. Moments are nanoseconds of a monotonic clock since the load began. A chunk
# with tokens has an offset, in nanoseconds since the request was sent, and its number of tokens. `turn` is a
# number from 1 within the conversation; both are NULL without one, and `answer_valid` is NULL if not checked.
requests = db.Table(
    "requests",
    Column("recorded_at", TIMESTAMP, primary_key=True),
    Column("run_id", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("warmup", Boolean, nullable=False),
    Column("level", Text, nullable=False),
    Column("intended_ns", BigInteger, nullable=False),
    Column("sent_ns", BigInteger, nullable=False),
    Column("connect_ns", BigInteger, nullable=False),
    Column("first_byte_ns", BigInteger),
    Column("first_token_ns", BigInteger),
    Column("last_token_ns", BigInteger),
    Column("end_ns", BigInteger, nullable=False),
    Column("chunk_offsets_ns", ARRAY(BigInteger), nullable=False),
    Column("chunk_tokens", ARRAY(Integer), nullable=False),
    Column("prompt_tokens", Integer),
    Column("output_tokens", Integer),
    Column("token_source", Text),
    Column("finish_reason", Text),
    Column("http_status", SmallInteger),
    Column("error", Text),
    Column("error_detail", Text),
    Column("first_answer_ns", BigInteger),
    Column("cached_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("answered_by", Text),
    Column("conversation", Integer),
    Column("turn", SmallInteger),
    Column("answer_valid", Boolean),
    postgresql_partition_by="RANGE (recorded_at)",
)


class RunShard(Model):
    """One shard's result of an attempt, which `token` identifies, kept until all have become one run."""

    __tablename__ = "run_shards"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    token: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    stored_at: Mapped[datetime] = mapped_column(TIMESTAMP, server_default=sql("now()"))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Rollup(Model):
    """One run's values of one metric, summarized; `m2` is the sum of squared deviations from the mean.

    `p95` is NULL in rollups of versions before 0011.
    """

    __tablename__ = "rollups"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"), primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    mean: Mapped[float] = mapped_column(Double)
    m2: Mapped[float] = mapped_column(Double)
    min: Mapped[float] = mapped_column(Double)
    max: Mapped[float] = mapped_column(Double)
    histogram: Mapped[str] = mapped_column(Histogram)
    p95: Mapped[float | None] = mapped_column(Double)


QUANTILES = "histogram_quantiles(histogram, n, min, max, ARRAY[0.50, 0.90, 0.95, 0.99]::double precision[])"


class PeriodRollup(Model):
    """The merged rollups of all runs of an hour, a day or a window.

    Hours and days start at `starts_at`; a window has one row, whose `starts_at` is '-infinity'. `oldest` and
    `newest` are the first and the last slot in it. `run_weight` is the sum of n^2 over the runs; `run_mean`
    and `run_m2` are the mean and the squared deviations of the runs' means with those weights. `quantiles`
    are p50, p90, p95 and p99.
    """

    __tablename__ = "period_rollups"
    # Hours, days and windows have a partition each.
    __table_args__ = ({"postgresql_partition_by": "LIST (period)"},)

    period: Mapped[str] = mapped_column(Text, primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id"), primary_key=True)
    llm_id: Mapped[int] = mapped_column(ForeignKey("llms.id"), primary_key=True)
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP, primary_key=True)
    oldest: Mapped[datetime] = mapped_column(TIMESTAMP)
    newest: Mapped[datetime] = mapped_column(TIMESTAMP)
    runs: Mapped[int] = mapped_column(BigInteger)
    n: Mapped[int] = mapped_column(BigInteger)
    mean: Mapped[float] = mapped_column(Double)
    m2: Mapped[float] = mapped_column(Double)
    min: Mapped[float] = mapped_column(Double)
    max: Mapped[float] = mapped_column(Double)
    run_weight: Mapped[float] = mapped_column(Double)
    run_mean: Mapped[float] = mapped_column(Double)
    run_m2: Mapped[float] = mapped_column(Double)
    histogram: Mapped[str] = mapped_column(Histogram)
    quantiles: Mapped[list[float]] = mapped_column(ARRAY(Double), Computed(QUANTILES, persisted=True))


class RunTotal(Model):
    """The number of attempts that ended with `status`, by duration: a histogram's bucket.

    The bucket reaches from the next lower `at_most`, itself excluded, to `at_most` seconds. `points` and
    `seconds` are sums. A trigger on `runs` keeps the table.
    """

    __tablename__ = "run_totals"

    source: Mapped[str] = mapped_column(Text, primary_key=True)
    status: Mapped[str] = mapped_column(Text, primary_key=True)
    at_most: Mapped[float] = mapped_column(Double, primary_key=True)
    runs: Mapped[int] = mapped_column(BigInteger)
    points: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)


class Generation(Model):
    """One row: a number that each refresh of the views raises in its transaction.

    `changing` is true from before such a transaction until its commit, see `webapp.generation`.
    """

    __tablename__ = "generation"
    __table_args__ = (CheckConstraint("only_row", name="only_row"),)

    only_row: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=sql("true"))
    value: Mapped[int] = mapped_column(BigInteger)
    changing: Mapped[bool] = mapped_column(Boolean, server_default=sql("false"))


class EndedSession(Model):
    """A session of the page that was ended by signing out, kept until its cookie expires."""

    __tablename__ = "ended_sessions"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP)


class SelfCheck(Model):
    """The error of one metric in one self-check: measured minus known, in seconds."""

    __tablename__ = "self_checks"

    slot: Mapped[datetime] = mapped_column(TIMESTAMP, primary_key=True)
    metric: Mapped[str] = mapped_column(Text, primary_key=True)
    n: Mapped[int] = mapped_column(Integer)
    known_s: Mapped[float] = mapped_column(Double)
    p50_s: Mapped[float] = mapped_column(Double)
    p99_s: Mapped[float] = mapped_column(Double)
