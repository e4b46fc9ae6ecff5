"""Runs: claimed by an attempt, locked while it writes, then finished, invalid or failed; or missed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg2.extras import Json

from webapp.store import Connection, sql_file, storable
from webapp.store.transactions import notice_dead_client

CLAIM = sql_file("claim_runs")
RECORD_MISSED = sql_file("record_missed")
# Under the lock of the trigger that counts all other runs, see migration 0004.
COUNT_MISSED = """
SELECT pg_advisory_xact_lock(7205005);
INSERT INTO run_totals AS totals (source, status, at_most, runs, points, seconds)
VALUES (%(source)s, 'missed', duration_bucket(0), %(runs)s, 0, 0)
ON CONFLICT (source, status, at_most) DO UPDATE SET runs = totals.runs + excluded.runs
"""


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
    notice_dead_client(conn)
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM runs WHERE id = ANY(%s) AND token = %s AND status = 'running'"
            " ORDER BY id FOR UPDATE",
            ([run.id for run in runs], str(token)),
        )
        return cursor.rowcount == len(runs)


def attempted(  # noqa: PLR0913  (each names a part of what makes a run unique)
    conn: Connection, *, source: str, scenario: str, llm: str, slot: datetime, token: UUID
) -> ClaimedRun | None:
    """Return the run that the attempt has claimed; None once it has ended or a newer one has claimed it."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT runs.id, llms.name FROM runs"
            " JOIN scenarios ON scenarios.id = scenario_id JOIN llms ON llms.id = llm_id"
            " WHERE source = %s AND scenarios.name = %s AND llms.name = %s AND slot = %s"
            " AND token = %s AND status = 'running'",
            (source, scenario, llm, slot, str(token)),
        )
        row = cursor.fetchone()
        return ClaimedRun(*row) if row else None


def outcome(conn: Connection, run: ClaimedRun, token: UUID) -> tuple[str, str | None]:
    """Return the run's status and error; "claimed" and None if a newer attempt has claimed it."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT status, error FROM runs WHERE id = %s AND token = %s", (run.id, str(token)))
        return cursor.fetchone() or ("claimed", None)


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


def any_finished_since(conn: Connection, since: datetime) -> bool:
    """Return whether a run of a slot after that time has finished."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM runs WHERE slot > %s AND status = 'finished')", (since,))
        return cursor.fetchone()[0]


def invalidate_since(conn: Connection, since: datetime, reason: str) -> list[tuple[int, datetime]]:
    """Mark the finished runs of slots after that time as invalid; return their ids and slots, by slot.

    The caller deletes their values.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET status = 'invalid', invalid_reason = %s, points = 0"
            " WHERE slot > %s AND status = 'finished' RETURNING slot, id",
            (reason, since),
        )
        return [(run_id, slot) for slot, run_id in sorted(cursor.fetchall())]


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


def running_jobs(conn: Connection, before: datetime) -> list[str]:
    """Return the ids of the jobs whose runs are running since before that time."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT job_id FROM runs WHERE status = 'running' AND started_at < %s", (before,)
        )
        return [job_id for (job_id,) in cursor.fetchall()]


def fail_abandoned(conn: Connection, job_ids: list[str], before: datetime, error: str) -> int:
    """Mark the runs of these jobs that are running since before that time failed; return their number."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET status = 'failed', finished_at = clock_timestamp(), error = %s"
            " WHERE status = 'running' AND started_at < %s AND job_id = ANY(%s)",
            (error, before, job_ids),
        )
        return cursor.rowcount


def record_missed(  # noqa: PLR0913  (each names a part of what makes a run unique)
    conn: Connection,
    *,
    source: str,
    scenario: str,
    first: datetime,
    last: datetime,
    interval: timedelta,
    job_prefix: str,
    reason: str,
    llm: str | None = None,
) -> int:
    """Record the slots from `first` to `last` that have no run as missed; returns the number of added runs.

    There is one run per slot, of the named LLM, or one for each simulated LLM. Its job's id is `job_prefix`
    and the slot in Unix seconds. The caller commits without delay, since other runs wait to be counted.
    """
    arguments = {
        "source": source,
        "scenario": scenario,
        "llm": llm,
        "first": first,
        "last": last,
        "interval": interval,
        "job_prefix": job_prefix,
        "reason": reason,
    }
    with conn.cursor() as cursor:
        cursor.execute(RECORD_MISSED, arguments)
        added = cursor.rowcount
        if added:
            cursor.execute(COUNT_MISSED, {"source": source, "runs": added})
        return added


def newest_slot(  # noqa: PLR0913  (each names a part of what is asked)
    conn: Connection,
    *,
    source: str,
    scenario: str,
    before: datetime,
    interval: timedelta,
    llm: str | None = None,
) -> datetime | None:
    """Return the newest slot before that time with a run, of the named LLM or of any.

    If there is none, the oldest slot with a run; None if there is no run at all. Slots that are no multiple
    of the interval are those of runs on demand, and left out.
    """
    arguments = {"source": source, "scenario": scenario, "before": before, "interval": interval, "llm": llm}
    with conn.cursor() as cursor:
        for order in ("AND slot < %(before)s ORDER BY slot DESC", "ORDER BY slot"):
            cursor.execute(
                "SELECT slot FROM runs"  # noqa: S608  (constants)
                " JOIN scenarios ON scenarios.id = scenario_id JOIN llms ON llms.id = llm_id"
                " WHERE source = %(source)s AND scenarios.name = %(scenario)s"
                " AND extract(epoch FROM slot) %% extract(epoch FROM %(interval)s) = 0"
                f" AND (%(llm)s IS NULL OR llms.name = %(llm)s) {order} LIMIT 1",
                arguments,
            )
            if row := cursor.fetchone():
                return row[0]
        return None


def measured(conn: Connection) -> list[tuple[int, datetime]]:
    """Return ids and slots of all finished measured runs, oldest first."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT id, slot FROM runs WHERE status = 'finished' AND measurement IS NOT NULL ORDER BY id"
        )
        return cursor.fetchall()


def set_points(conn: Connection, run_id: int, points: int) -> None:
    """Record the number of points of a finished run, which is locked until the transaction ends."""
    with conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET points = %s WHERE id = %s", (points, run_id))


def newest_measurement(conn: Connection, llm: str, scenario: str) -> dict[str, Any] | None:
    """Return the description of the LLM's newest finished measured run in the scenario; None without one."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT measurement FROM runs"
            " JOIN scenarios ON scenarios.id = scenario_id JOIN llms ON llms.id = llm_id"
            " WHERE source = 'measurement' AND llms.name = %s AND scenarios.name = %s AND status = 'finished'"
            " ORDER BY slot DESC LIMIT 1",
            (llm, scenario),
        )
        row = cursor.fetchone()
        return row[0] if row else None


def measurement(conn: Connection, run_id: int) -> tuple[datetime, dict[str, Any]] | None:
    """Return the slot and the description of a measured run; None if it is unknown or was not measured."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT slot, measurement FROM runs WHERE id = %s AND measurement IS NOT NULL", (run_id,)
        )
        return cursor.fetchone()
