"""One attempt at the runs of a slot, of any source: claimed, then locked while values are written."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import numpy as np
import psycopg2

from llm_measure.metrics import Metric
from webapp.logs import bind_more
from webapp.settings import Settings
from webapp.store import Connection, clock, partitions, points, rollups, runs
from webapp.store.reconnect import reconnecting
from webapp.store.rollups import Rollup
from webapp.store.runs import ClaimedRun

logger = logging.getLogger(__name__)

# How long a failed attempt tries to record its error while the database is unreachable. What was not recorded
# is replaced by the retry; after the last one, the worker records it, or the hourly maintenance.
RECORD_SECONDS = 10


@dataclass(frozen=True)
class Attempt:
    """The claimed runs of a slot; none if all of them are finished or invalid."""

    slot: datetime
    token: UUID
    runs: list[ClaimedRun]

    def hold(self, conn: Connection) -> bool:
        """Lock the runs until the transaction ends; roll back and return False if one is no longer its own.

        A newer attempt has claimed it, or it has ended: by this one, if the answer to its commit was lost.
        """
        if runs.hold(conn, self.runs, self.token):
            return True
        conn.rollback()
        logger.warning("slot %s: already ended, or claimed by a newer attempt", self.slot.isoformat())
        return False


@contextmanager
def claimed(  # noqa: PLR0913  (each names a part of what makes a run unique)
    conn: Connection,
    settings: Settings,
    *,
    source: str,
    scenario: str,
    slot: datetime,
    job_id: str,
    llm: str | None = None,
) -> Iterator[Attempt]:
    """Claim the slot's unfinished runs, of one LLM or of all simulated ones, and commit.

    Raises FutureSlotError, and claims nothing, if the slot lies in the future.

    An exception in the block is committed as the runs' error and raised again, also if it was the loss of the
    connection. A block that takes long may close the connection: the claim is a committed row, and only its
    token decides who writes.
    """
    clock.refuse_future(conn, slot)
    partitions.ensure(conn, slot.date())
    conn.commit()
    token = uuid4()
    found = runs.claim(conn, source=source, scenario=scenario, slot=slot, token=token, job_id=job_id, llm=llm)
    conn.commit()
    bind_more(run_ids=[run.id for run in found])
    if not found:
        logger.info("slot %s: no unfinished runs of %s %s", slot.isoformat(), source, scenario)
    try:
        yield Attempt(slot, token, found)
    except Exception as error:
        _record_failure(conn, settings, found, token, f"{type(error).__name__}: {error}")
        raise


def _record_failure(
    conn: Connection, settings: Settings, claimed_runs: list[ClaimedRun], token: UUID, error: str
) -> None:
    """Commit the runs' error, over new connections if this one was closed or lost."""

    def record(conn: Connection) -> None:
        conn.rollback()
        runs.fail(conn, claimed_runs, token, error)
        conn.commit()

    with suppress(psycopg2.Error):
        record(conn)
        return
    try:
        reconnecting(settings, record, RECORD_SECONDS)
    except psycopg2.Error as fault:
        logger.error("not recorded: %s; because of: %s", error, str(fault).strip())


def finish(
    conn: Connection, attempt: Attempt, values: Iterable[tuple[ClaimedRun, Metric, np.ndarray]]
) -> int:
    """Write values (float64, at least one each) as points and rollups, and mark the runs finished.

    The attempt holds the runs; the caller commits. Returns the number of points.
    """
    stored = write(conn, attempt.slot, ((run.id, metric, numbers) for run, metric, numbers in values))
    runs.finish(conn, attempt.runs, stored // len(attempt.runs))
    return stored


def write(conn: Connection, slot: datetime, values: Iterable[tuple[int, Metric, np.ndarray]]) -> int:
    """Write values of runs, by their ids, as points and rollups; return the number of points."""
    summaries: list[Rollup] = []

    def encoded() -> Iterator[bytes]:
        for run_id, metric, numbers in values:
            summaries.append(Rollup.of(run_id, metric.id, numbers))
            yield points.encode(slot, run_id, metric.id, numbers)

    stored = points.copy(conn, encoded())
    rollups.insert(conn, summaries)
    return stored
