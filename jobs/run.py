"""One simulated run, from lock to generation, and how new runs of any source are shown."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import numpy as np
import psycopg2
from redis import Redis
from rq import get_current_job

from jobs.attempt import claimed, finish
from jobs.lock import renewed_lock
from jobs.simulate import simulate
from webapp import generation
from webapp.metrics import CONTRACT_METRICS, Metric
from webapp.redis import impatient_redis
from webapp.settings import Settings
from webapp.store import Connection, connect, views
from webapp.store.runs import ClaimedRun

logger = logging.getLogger(__name__)


def run_simulation(slot: int) -> None:
    """Simulate every ranked LLM for the slot (Unix seconds), store the values and show them; the RQ job.

    May be called any number of times, by any number of processes, for one slot: its values are stored once.
    Raises whatever went wrong, after recording it in the runs, so that RQ tries again.
    """
    settings = Settings.from_env()
    job = get_current_job()
    job_id = job.id if job else "by-hand"
    redis = impatient_redis(settings)
    with (
        renewed_lock(redis, f"simulation-{slot}"),
        closing(connect(settings)) as conn,
        shown_at_the_end(conn, redis),
    ):
        fill_slot(conn, settings, datetime.fromtimestamp(slot, UTC), job_id)


def fill_slot(conn: Connection, settings: Settings, slot: datetime, job_id: str) -> None:
    """Claim the slot's unfinished simulations and store their points, rollups and end in one transaction."""
    with claimed(conn, source="simulation", workload="default", slot=slot, job_id=job_id) as attempt:
        if attempt.runs and attempt.hold(conn):
            stored = finish(conn, attempt, _simulated(attempt.runs, settings))
            conn.commit()
            logger.info("slot %s: stored %d points of %d LLMs", slot.isoformat(), stored, len(attempt.runs))


def _simulated(runs: list[ClaimedRun], settings: Settings) -> Iterator[tuple[ClaimedRun, Metric, np.ndarray]]:
    for run in runs:
        for metric in CONTRACT_METRICS:
            yield run, metric, simulate(run.llm_name, metric, settings.seed, settings.points_per_run)


@contextmanager
def shown_at_the_end(conn: Connection, redis: Redis) -> Iterator[None]:
    """Show how the block's runs have ended, in failure, too; whatever went wrong is raised again."""
    try:
        yield
    except Exception:
        try:
            show_new_runs(conn, redis)
        except psycopg2.Error as error:
            logger.warning("the failure will be shown by the next run: %s", error)
        raise
    show_new_runs(conn, redis)


def show_new_runs(conn: Connection, redis: Redis, wait_s: float = views.WAIT_SECONDS) -> None:
    """Refresh the views if they are outdated, and make the new generation known.

    Runs that end while another process refreshes are shown together by whoever comes next. Raises
    psycopg2.errors.LockNotAvailable if the turn to refresh has not come after `wait_s`.
    """
    with views.refresh_turn(conn, wait_s):
        now = datetime.now(UTC)
        if not views.are_outdated(conn, now):
            conn.commit()
            return
        number = views.refresh(conn, now)
        generation.commit(conn, redis, number)
    logger.info("generation %d is shown", number)
