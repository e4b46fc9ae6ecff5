"""Runs for readers: what ran, when, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.store import Connection, sql_file

RUN_RECORDS = sql_file("run_records")
LAST_FAILURES = sql_file("last_failures")
NEWEST_FINISHED = sql_file("newest_finished")
STATUSES = ("running", "finished", "failed", "invalid", "missed")


@dataclass(frozen=True)
class RunRecord:
    """One LLM's run; `duration_s` is that of its last attempt, None while it is running.

    `measurement` describes a measured run as a whole; None while it is running.
    """

    id: int
    job_id: str
    source: str
    scenario: str
    llm_name: str
    slot: datetime
    status: str
    attempts: int
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    points: int | None
    error: str | None
    generation: int | None
    invalid_reason: str | None
    measurement: dict[str, Any] | None


@dataclass(frozen=True)
class Failure:
    """Why the newest run of an LLM has no values; `status` is failed, invalid or missed."""

    llm_name: str
    slot: datetime
    status: str
    reason: str | None


@dataclass(frozen=True)
class Finished:
    """The newest finished run of an LLM; `measurement` describes a measured one as a whole."""

    id: int
    measurement: dict[str, Any] | None


def newest_finished(conn: Connection, *, source: str, scenario_id: int) -> dict[str, Finished]:
    """Return the newest finished run that rankings show, by the name of each ranked LLM that has one."""
    with conn.cursor() as cursor:
        cursor.execute(NEWEST_FINISHED, {"source": source, "scenario_id": scenario_id})
        return {name: Finished(*values) for name, *values in cursor.fetchall()}


def last_failures(conn: Connection, *, source: str, scenario_id: int) -> list[Failure]:
    """Return the failures of the ranked LLMs whose newest run has no values, by name."""
    with conn.cursor() as cursor:
        cursor.execute(LAST_FAILURES, {"source": source, "scenario_id": scenario_id})
        return [Failure(*row) for row in cursor.fetchall()]


def read(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    limit: int | None = None,
    run_id: int | None = None,
    run_ids: list[int] | None = None,
    before: int | None = None,
    status: str | None = None,
    source: str | None = None,
    scenario_ids: list[int] | None = None,
    llm_id: int | None = None,
    job_id: str | None = None,
) -> list[RunRecord]:
    """Return the runs that match every filter, newest first; with `before`, those with smaller ids."""
    arguments = {
        "limit": limit,
        "run_id": run_id,
        "run_ids": run_ids,
        "before": before,
        "status": status,
        "source": source,
        "scenario_ids": scenario_ids,
        "llm_id": llm_id,
        "job_id": job_id,
    }
    with conn.cursor() as cursor:
        cursor.execute(RUN_RECORDS, arguments)
        return [RunRecord(*row) for row in cursor.fetchall()]
