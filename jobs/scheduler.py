"""The scheduler process: rq-scheduler decides when a slot is due, and the slot's run is enqueued.

python -m jobs.scheduler [--run-now]
"""

import argparse
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import FrameType

from prometheus_client import Counter, Gauge
from redis import Redis, RedisError
from rq.job import Job
from rq_scheduler import Scheduler

from jobs.schedule import Entry, schedule
from webapp.logs import configure_logging
from webapp.monitoring import exporter
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Measurement
from webapp.queue import JSONJob, enqueue_simulation, runs_queue
from webapp.redis import queue_redis
from webapp.settings import Settings, SettingsError, exit_for

logger = logging.getLogger("jobs.scheduler")  # __name__ is __main__

POLL_SECONDS = 1

METRICS = exporter.registry()
LAST_POLL = Gauge(
    "llm_benchmark_scheduler_last_poll_timestamp_seconds",
    "Time of this scheduler's last successful poll of Redis",
    registry=METRICS,
)
ENQUEUED = Counter(
    "llm_benchmark_scheduler_enqueued", "Slots that this scheduler enqueued", ["entry"], registry=METRICS
)


class SlotScheduler(Scheduler):
    """rq-scheduler, except that a due entry enqueues its slot's run instead of itself.

    rq-scheduler alone would enqueue the same job forever: its retries never come back, copies pile up while
    no worker runs, and its times drift. Here the entry is only a tick: it never leaves Redis, and a single
    ZADD moves it from slot to slot, so no stop can lose it.
    """

    # Not rq-scheduler's keys: on a shared Redis, schedulers of other applications would take these entries.
    scheduled_jobs_key = "llm-benchmark:schedule"
    scheduler_lock_key = "llm-benchmark:lock:schedule"

    def __init__(
        self,
        redis: Redis,
        settings: Settings,
        measurements: Sequence[Measurement] = (),
        clock: Callable[[], float] = time.time,
    ):
        super().__init__(connection=redis, queue=runs_queue(redis), interval=POLL_SECONDS, job_class=JSONJob)
        self.settings = settings
        self.runs = runs_queue(redis)
        self.entries = {entry.id: entry for entry in schedule(settings, measurements)}
        self.clock = clock

    def poll(self) -> None:
        """Reconcile Redis with the schedule, then enqueue what is due; one scheduler at a time."""
        if not self.acquire_lock():
            return
        try:
            self.reconcile()
            self.enqueue_jobs()
        finally:
            self.remove_lock()

    def reconcile(self) -> None:
        """Make Redis hold exactly the wanted entries.

        An entry that is missing, because it is new or Redis lost its data, is due immediately: the job of its
        current slot may be lost, too, and if it is not, its run is already finished. An entry whose interval
        has changed continues with its next slot.
        """
        now = self.clock()
        for entry in self.entries.values():
            known = self._known_interval(entry)
            if known is None:
                self._write(entry, entry.slot_at(now))
            elif known != entry.interval:
                self._write(entry, entry.slot_at(now) + entry.interval)
        for found in self.connection.zrange(self.scheduled_jobs_key, 0, -1):
            job_id = found.decode()
            if job_id not in self.entries:
                self.cancel(job_id)
                self.connection.delete(JSONJob.key_for(job_id))

    def get_jobs_to_queue(self, with_times: bool = False) -> Iterator[Job]:
        """Yield the entries that are due."""
        return self.get_jobs(until=self.clock(), with_times=with_times)

    def enqueue_job(self, job: Job) -> None:
        """Enqueue the run of the slot that is due, then move the entry to its next slot."""
        entry = self.entries.get(job.id)
        if entry is None:  # just written by a scheduler that read another benchmark file
            return
        slot = entry.slot_at(self.clock())
        if entry.enqueue(self.runs, self.settings, slot):
            ENQUEUED.labels(entry.name).inc()
        self.connection.zadd(self.scheduled_jobs_key, {entry.id: slot + entry.interval})

    def run_now(self) -> None:
        """Enqueue a simulation for the current second, and let new entries begin with their next slot.

        Measurements begin with the current slot, since there is nothing to show before their first run.
        """
        now = self.clock()
        enqueue_simulation(self.runs, self.settings, int(now))
        for entry in self.entries.values():
            if not entry.is_measurement and self._known_interval(entry) is None:
                self._write(entry, entry.slot_at(now) + entry.interval)

    def _known_interval(self, entry: Entry) -> int | None:
        """Return the interval that Redis holds for the entry; None if Redis does not hold the entry."""
        if entry.id not in self or not JSONJob.exists(entry.id, connection=self.connection):
            return None
        return JSONJob.fetch(entry.id, connection=self.connection).meta.get("interval")

    def _write(self, entry: Entry, due: int) -> None:
        logger.info("%s: every %d s, next slot %d", entry.name, entry.interval, due)
        self.schedule(
            datetime.fromtimestamp(due, UTC).replace(tzinfo=None),
            "jobs.schedule.schedule",  # rq-scheduler requires a function; it is never called
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
    """Poll until `stop` is set; while Redis is unreachable, keep trying."""
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
                logger.info("Redis reachable again")
            reachable = True
        except RedisError as error:
            if reachable:
                logger.warning("Redis unreachable, retrying every %d s: %s", POLL_SECONDS, error)
            reachable = False
        stop.wait(POLL_SECONDS)


def main() -> None:
    """Run the scheduler until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m jobs.scheduler", description="Enqueue runs on schedule.")
    parser.add_argument("--run-now", action="store_true", help="Enqueue a simulation immediately, too.")
    options = parser.parse_args()
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
    serve(settings, measurements, stop, options.run_now)
    logger.info("scheduler stopped")


if __name__ == "__main__":
    main()
