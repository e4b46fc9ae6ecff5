"""One simulated run: lock the slot, simulate, store and publish the values."""

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
from rq import get_current_job

from jobs.future_slot import dropping_future_slots
from jobs.lock import renewed_lock
from jobs.missed import is_late, record_late
from jobs.notify import ringing
from jobs.schedule import SIMULATION
from jobs.simulate import simulate
from llm_measure.metrics import METRICS, Metric
from webapp.ingest.attempt import claimed, finish
from webapp.ingest.publish import publishing
from webapp.queue.enqueue import simulation_job_id
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection
from webapp.store.reconnect import connect_patiently
from webapp.store.runs import ClaimedRun

logger = logging.getLogger(__name__)


def run_simulation(slot: int) -> None:
    """Simulate every simulated LLM for the slot (Unix seconds), store and publish the values; the RQ job.

    May be called any number of times, by any number of processes, for one slot: its values are stored once. A
    job that has waited for too long records the slot as missed instead; one of a future slot is dropped.
    Raises any error, after recording it in the runs, so that RQ retries.
    """
    settings = Settings.from_env()
    job = get_current_job()
    job_id = job.id if job else "on-demand"
    redis = cache_redis(settings)
    if is_late(settings, settings.schedule_interval):
        record_late(settings, redis, [SIMULATION], simulation_job_id, slot)
        return
    with (
        dropping_future_slots(),
        ringing(settings, redis),
        renewed_lock(redis, f"simulation-{slot}"),
        closing(connect_patiently(settings)) as conn,
        publishing(conn, settings, redis),
    ):
        fill_slot(conn, settings, datetime.fromtimestamp(slot, UTC), job_id)


def fill_slot(conn: Connection, settings: Settings, slot: datetime, job_id: str) -> None:
    """Claim the slot's unfinished simulations; store their points, rollups and status in one transaction."""
    with claimed(
        conn, settings, source="simulation", scenario=SIMULATION.scenario, slot=slot, job_id=job_id
    ) as attempt:
        if attempt.runs and attempt.hold(conn):
            stored = finish(conn, attempt, _simulated(attempt.runs, settings))
            conn.commit()
            logger.info("slot %s: stored %d points of %d LLMs", slot.isoformat(), stored, len(attempt.runs))


def _simulated(runs: list[ClaimedRun], settings: Settings) -> Iterator[tuple[ClaimedRun, Metric, np.ndarray]]:
    for run in runs:
        for metric in METRICS.simulated:
            yield run, metric, simulate(run.llm_name, metric, settings.seed, settings.points_per_run)
