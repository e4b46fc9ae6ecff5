"""The scheduler process: rq-scheduler says when a slot is due, and its run is enqueued.

python -m jobs.scheduler [--run-now]
"""

import argparse
import logging
import signal
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from types import FrameType

from prometheus_client import Counter, Gauge
from redis import Redis, RedisError
from rq.job import Job
from rq_scheduler import Scheduler

from jobs.schedule import MEASUREMENT_PREFIX, Entry, schedule
from webapp.logs import configure_logging
from webapp.monitoring import exporter
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Measurement
from webapp.queue import JSONJob, enqueue_simulation, runs_queue
from webapp.redis import queue_redis
from webapp.settings import Settings, SettingsError, exit_for

logger = logging.getLogger(__name__)

POLL_SECONDS = 1
ENTRY_PREFIX = "every-"

METRICS = exporter.registry()
LAST_POLL = Gauge(
    "llm_benchmark_scheduler_last_poll_timestamp_seconds",
    "When this scheduler last reached Redis",
    registry=METRICS,
)
ENQUEUED = Counter(
    "llm_benchmark_scheduler_enqueued", "Slots that this scheduler enqueued", ["entry"], registry=METRICS
)


class SlotScheduler(Scheduler):
    """rq-scheduler, but a due entry enqueues its slot's run instead of itself.

    rq-scheduler alone would enqueue one and the same job for ever: its retries never come back, copies pile
    up while no worker is about, and its times drift. Here the entry is only a tick: it never leaves Redis,
    and moves from slot to slot by a single ZADD, so that no stop can lose it.
    """

    def __init__(self, redis: Redis, settings: Settings, measurements: Sequence[Measurement] = ()):
        super().__init__(connection=redis, queue=runs_queue(redis), interval=POLL_SECONDS, job_class=JSONJob)
        self.settings = settings
        self.runs = runs_queue(redis)
        self.entries = {entry.id: entry for entry in schedule(settings, measurements)}

    def poll(self) -> None:
        """Repair the schedule in Redis, then enqueue what is due; nothing if another scheduler is at it."""
        if not self.acquire_lock():
            return
        try:
            self.reconcile()
            self.enqueue_jobs()
        finally:
            self.remove_lock()

    def reconcile(self) -> None:
        """Make Redis hold exactly the wanted entries.

        One that Redis does not know, because it is new or lost everything, is due at once: its current slot
        may have been lost with it, and if not, the slot's run finds itself finished. One whose interval
        has changed goes on with its next slot.
        """
        now = time.time()
        for entry in self.entries.values():
            known = self._known_interval(entry)
            if known is None:
                self._write(entry, entry.slot_at(now))
            elif known != entry.interval:
                self._write(entry, entry.slot_at(now) + entry.interval)
        for job_id in self.connection.zrange(self.scheduled_jobs_key, 0, -1):
            name = job_id.decode()
            if name.startswith(ENTRY_PREFIX) and name not in self.entries:
                self.cancel(name)
                self.connection.delete(JSONJob.key_for(name))

    def enqueue_job(self, job: Job) -> None:
        """Enqueue the run of the slot that is due, then move the entry to its next slot."""
        entry = self.entries[job.id]
        slot = entry.slot_at(time.time())
        if entry.enqueue(self.runs, self.settings, slot):
            ENQUEUED.labels(entry.id).inc()
        self.connection.zadd(self.scheduled_jobs_key, {entry.id: slot + entry.interval})

    def run_now(self) -> None:
        """Enqueue a simulation for this very second, and let new entries begin with their next slot.

        Except those of measurements, of which nothing would be seen until then.
        """
        now = time.time()
        enqueue_simulation(self.runs, self.settings, int(now))
        for entry in self.entries.values():
            if not entry.id.startswith(MEASUREMENT_PREFIX) and self._known_interval(entry) is None:
                self._write(entry, entry.slot_at(now) + entry.interval)

    def _known_interval(self, entry: Entry) -> int | None:
        """The interval with which Redis holds the entry; None if it does not."""
        if entry.id not in self or not JSONJob.exists(entry.id, connection=self.connection):
            return None
        return JSONJob.fetch(entry.id, connection=self.connection).meta.get("interval")

    def _write(self, entry: Entry, due: int) -> None:
        logger.info("%s: every %d s, next at slot %d", entry.id, entry.interval, due)
        self.schedule(
            datetime.fromtimestamp(due, UTC).replace(tzinfo=None),
            "jobs.schedule.schedule",  # rq-scheduler wants a function; this entry itself is never run
            id=entry.id,
            interval=entry.interval,
            description=f"every {entry.interval} s",
        )


def serve(
    settings: Settings,
    measurements: Sequence[Measurement],
    stop: threading.Event,
    run_now: bool = False,
) -> None:
    """Poll until `stop` is set; a lost Redis is waited for, not died of."""
    scheduler = SlotScheduler(queue_redis(settings), settings, measurements)
    reachable = True
    while not stop.is_set():
        try:
            if run_now:
                scheduler.run_now()
                run_now = False
            scheduler.poll()
            LAST_POLL.set_to_current_time()
            if not reachable:
                logger.info("Redis is back")
            reachable = True
        except RedisError as error:
            if reachable:
                logger.warning("Redis cannot be reached, waiting: %s", error)
            reachable = False
        stop.wait(POLL_SECONDS)


def main() -> None:
    """Run the scheduler until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m jobs.scheduler", description="Enqueue runs on schedule.")
    parser.add_argument("--run-now", action="store_true", help="also enqueue one run at once")
    arguments = parser.parse_args()
    try:
        settings = Settings.from_env()
        configure_logging(settings)
        measurements = read_benchmark_file(settings)
        exporter.export(METRICS, settings)
    except SettingsError as error:
        exit_for(error)
    stop = threading.Event()

    def request_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, request_stop)
    signal.signal(signal.SIGTERM, request_stop)
    logger.info("scheduler started")
    serve(settings, measurements, stop, arguments.run_now)
    logger.info("scheduler stopped")


if __name__ == "__main__":
    main()
