"""One run, from lock to generation: what a worker does with a slot."""

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from uuid import UUID, uuid4

from redis import Redis
from rq import get_current_job

from jobs.lock import renewed_lock
from jobs.simulate import simulate
from webapp import generation
from webapp.logs import bind_more
from webapp.metrics import METRICS
from webapp.redis import impatient_redis
from webapp.settings import Settings
from webapp.store import Connection, connect, points, rollups, runs, views
from webapp.store.rollups import Rollup
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
    with renewed_lock(redis, f"simulation-{slot}"), closing(connect(settings)) as conn:
        fill_slot(conn, settings, datetime.fromtimestamp(slot, UTC), job_id)
        show_new_runs(conn, redis)


def fill_slot(conn: Connection, settings: Settings, slot: datetime, job_id: str) -> None:
    """Claim the slot's unfinished runs and store their points, rollups and end in one transaction."""
    points.ensure_partitions(conn, slot.date())
    token = uuid4()
    claimed = runs.claim(conn, source="simulation", workload="default", slot=slot, token=token, job_id=job_id)
    conn.commit()
    if not claimed:
        logger.info("slot %s is already finished", slot.isoformat())
        return
    bind_more(run_ids=[run.id for run in claimed])
    try:
        stored = _store(conn, settings, slot, claimed, token)
    except Exception as error:
        conn.rollback()
        runs.fail(conn, claimed, token, f"{type(error).__name__}: {error}")
        conn.commit()
        raise
    if stored is None:
        logger.warning("slot %s was taken over by a newer attempt; nothing written", slot.isoformat())
    else:
        logger.info("slot %s: stored %d points of %d LLMs", slot.isoformat(), stored, len(claimed))


def _store(
    conn: Connection, settings: Settings, slot: datetime, claimed: list[ClaimedRun], token: UUID
) -> int | None:
    """Write all or nothing; return the number of points, None if a newer attempt has taken over."""
    if not runs.hold(conn, claimed, token):
        conn.rollback()
        return None
    summaries: list[Rollup] = []

    def encoded() -> Iterator[bytes]:
        for run in claimed:
            for metric in METRICS:
                values = simulate(run.llm_name, metric, settings.seed, settings.points_per_run)
                summaries.append(Rollup.of(run.id, metric.id, values))
                yield points.encode(slot, run.id, metric.id, values)

    stored = points.copy(conn, encoded())
    rollups.insert(conn, summaries)
    runs.finish(conn, claimed, stored // len(claimed))
    conn.commit()
    return stored


def show_new_runs(conn: Connection, redis: Redis) -> None:
    """Refresh the views if they are outdated, and make the new generation known.

    Runs that end while another process refreshes are shown together by whoever comes next.
    """
    with views.refresh_turn(conn):
        now = datetime.now(UTC)
        if not views.are_outdated(conn, now):
            conn.commit()
            return
        number = views.refresh(conn, now)
        generation.commit(conn, redis, number)
    logger.info("generation %d is shown", number)
