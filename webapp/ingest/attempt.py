"""One attempt at the runs of a slot, of any source: claimed, then locked while values are written."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import numpy as np
import psycopg2

from llm_measure.metrics import Metric
from webapp.logs import bind_more
from webapp.settings import Settings
from webapp.store import Connection, connect, partitions, points, rollups, runs
from webapp.store.rollups import Rollup
from webapp.store.runs import ClaimedRun

logger = logging.getLogger(__name__)

# How long a failed attempt tries to record its error while the database is unreachable. The retry, or the
# hourly maintenance, finds what was not recorded.
RECONNECT_SECONDS = 10
RETRY_SECONDS = 0.5


@dataclass(frozen=True)
class Attempt:
    """The claimed runs of a slot; none if all of them are finished or invalid."""

    slot: datetime
    token: UUID
    runs: list[ClaimedRun]

    def hold(self, conn: Connection) -> bool:
        """Lock the runs until the transaction ends; roll back and return False if a newer attempt has one."""
        if runs.hold(conn, self.runs, self.token):
            return True
        conn.rollback()
        logger.warning("slot %s: claimed by a newer attempt; nothing written", self.slot.isoformat())
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

    An exception in the block is committed as the runs' error and raised again, also if it was the loss of the
    connection.
    """
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
    """Commit the runs' error, if the connection was lost on new ones, until the database can be reached."""

    def record(conn: Connection) -> None:
        conn.rollback()
        runs.fail(conn, claimed_runs, token, error)
        conn.commit()

    with suppress(psycopg2.Error):
        record(conn)
        return
    deadline = time.monotonic() + RECONNECT_SECONDS
    while time.monotonic() < deadline:
        with suppress(psycopg2.Error), closing(connect(settings)) as fresh:
            record(fresh)
            return
        time.sleep(RETRY_SECONDS)
    logger.error("database unreachable: not recorded: %s", error)


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
