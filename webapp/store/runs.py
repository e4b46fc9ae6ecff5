"""Runs: claimed by an attempt, locked while it writes, then finished, invalid or failed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg2.extras import Json

from webapp.store import Connection, sql_file, storable

CLAIM = sql_file("claim_runs")


@dataclass(frozen=True)
class ClaimedRun:
    """One run that an attempt has claimed."""

    id: int
    llm_name: str


def claim(  # noqa: PLR0913  (each names a part of what makes a run unique)
    conn: Connection,
    *,
    source: str,
    scenario: str,
    slot: datetime,
    token: UUID,
    job_id: str,
    llm: str | None = None,
) -> list[ClaimedRun]:
    """Claim and return the slot's unfinished runs for the attempt that `token` identifies.

    There is one run, of the named LLM, or one for each simulated LLM; none for archived LLMs.
    """
    arguments = {
        "source": source,
        "scenario": scenario,
        "slot": slot,
        "token": str(token),
        "job_id": job_id,
        "llm": llm,
    }
    with conn.cursor() as cursor:
        cursor.execute(CLAIM, arguments)
        return [ClaimedRun(*row) for row in cursor.fetchall()]


def hold(conn: Connection, runs: list[ClaimedRun], token: UUID) -> bool:
    """Lock the runs' rows until the transaction ends; return False if another attempt has claimed one."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM runs WHERE id = ANY(%s) AND token = %s AND status = 'running'"
            " ORDER BY id FOR UPDATE",
            ([run.id for run in runs], str(token)),
        )
        return cursor.rowcount == len(runs)


def finish(conn: Connection, runs: list[ClaimedRun], points_per_run: int) -> None:
    """Mark the runs, which the caller holds, finished with that number of points each."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET status = 'finished', finished_at = clock_timestamp(), points = %s, error = NULL"
            " WHERE id = ANY(%s)",
            (points_per_run, [run.id for run in runs]),
        )


def invalidate(conn: Connection, runs: list[ClaimedRun], reason: str) -> None:
    """Mark the runs, which the caller holds, as invalid: done, but never ranked."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET status = 'invalid', finished_at = clock_timestamp(), points = 0,"
            " error = NULL, invalid_reason = %s WHERE id = ANY(%s)",
            (storable(reason), [run.id for run in runs]),
        )


def describe(conn: Connection, run: ClaimedRun, measurement: dict[str, Any]) -> None:
    """Record what describes the measured run, which the caller holds, as a whole."""
    with conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET measurement = %s WHERE id = %s", (Json(measurement), run.id))


def fail(conn: Connection, runs: list[ClaimedRun], token: UUID, error: str) -> None:
    """Mark the runs failed with this error, unless another attempt has claimed them since."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET status = 'failed', finished_at = clock_timestamp(), error = %s"
            " WHERE id = ANY(%s) AND token = %s AND status = 'running'",
            (storable(error), [run.id for run in runs], str(token)),
        )


def fail_job(conn: Connection, job_id: str, error: str) -> None:
    """Mark the runs of a job whose process has died as failed with this error.

    Raises psycopg2.errors.LockNotAvailable if an attempt is still alive and writing.
    """
    with conn.cursor() as cursor:
        # Longer than the server takes to detect that the process is dead.
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        cursor.execute(
            "UPDATE runs SET status = 'failed', finished_at = clock_timestamp(), error = %s"
            " WHERE job_id = %s AND status = 'running'",
            (storable(error), job_id),
        )


def measurement(conn: Connection, run_id: int) -> tuple[datetime, dict[str, Any]] | None:
    """Return the slot and the description of a measured run; None if it is unknown or was not measured."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT slot, measurement FROM runs WHERE id = %s AND measurement IS NOT NULL", (run_id,)
        )
        return cursor.fetchone()
