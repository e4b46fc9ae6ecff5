"""The scheduler process: rq-scheduler decides when a slot is due, and the slot's run is enqueued.

python -m jobs.scheduler [--run-now]
"""

import argparse
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from types import FrameType
from typing import cast

from prometheus_client import Counter, Gauge
from redis import Redis, RedisError, WatchError
from redis.client import Pipeline
from rq.job import Job
from rq_scheduler import Scheduler

from jobs.plan_keeper import PlanKeeper
from jobs.schedule import ID_PREFIX, Entry, Stored, schedule, stored
from webapp.logs import configure_logging
from webapp.monitoring import exporter
from webapp.plan.measurement import Measurement
from webapp.plan.rules import Rule
from webapp.plan.shared import PLAN
from webapp.queue.enqueue import enqueue_missed, enqueue_simulation
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import runs_queue
from webapp.queue.statuses import waits_untried
from webapp.redis import queue_redis
from webapp.redis.server import warn_of_fault
from webapp.settings import Settings, SettingsError, exit_for

logger = logging.getLogger("jobs.scheduler")  # __name__ is __main__

POLL_SECONDS = 1
# How far a clock that wrote an entry may have been ahead, in seconds.
CLOCK_TOLERANCE = 60

METRICS = exporter.registry()
LAST_POLL = Gauge(
    "llm_benchmark_scheduler_last_poll_timestamp_seconds",
    "Time of this scheduler's last successful poll of Redis",
    registry=METRICS,
)
ENQUEUED = Counter(
    "llm_benchmark_scheduler_enqueued", "Slots that this scheduler enqueued", ["entry"], registry=METRICS
)

FILE_FAULTS = Gauge(
    "llm_benchmark_scheduler_benchmark_file_faults",
    "Faults for which this scheduler ignores the benchmark file's content",
    registry=METRICS,
)


class SlotScheduler(Scheduler):
    """rq-scheduler, except that a due entry enqueues its slots' runs instead of itself.

    rq-scheduler alone would enqueue the same job forever: its retries never come back, copies pile up while
    no worker runs, and its times drift. Here the entry is only a tick: it never leaves Redis, and a single
    ZADD moves it from slot to slot, so no stop can lose it.

    Any number of schedulers polls without a lock, so that none that is stuck stops the others. What one does
    late is harmless: a slot's job is enqueued once, an entry only moves forward, and the schedule is changed
    only if nobody has changed it since it was read. They share one clock, that of Redis, so that none whose
    machine's clock is wrong enqueues other slots than the rest.
    """

    # Not rq-scheduler's key: on a shared Redis, schedulers of other applications would take these entries.
    scheduled_jobs_key = "llm-benchmark:schedule"

    def __init__(
        self,
        redis: Redis,
        settings: Settings,
        measurements: Sequence[Measurement] = (),
        clock: Callable[[], float] | None = None,
    ):
        super().__init__(connection=redis, queue=runs_queue(redis), interval=POLL_SECONDS, job_class=JSONJob)
        self.settings = settings
        self.runs = runs_queue(redis)
        self.plan: str | None = None  # the text that the measurements are from, if it may change
        self.follow(measurements)
        self.clock = clock or self._redis_time

    def follow(
        self, measurements: Sequence[Measurement], plan: str | None = None, rules: Sequence[Rule] = ()
    ) -> None:
        """Want the entries of these measurements and rules, as long as the plan has this text."""
        self.entries = {entry.id: entry for entry in schedule(self.settings, measurements, rules)}
        self.plan = plan

    def poll(self) -> None:
        """Reconcile Redis with the schedule, then enqueue what is due."""
        try:
            self.reconcile()
        except WatchError:
            logger.info("schedule: changed by another scheduler; compared again at the next poll")
        self.enqueue_jobs()

    def reconcile(self) -> None:
        """Make Redis hold exactly the wanted entries.

        An entry that is missing, because it is new or Redis lost its data, is due immediately: the job of its
        current slot may be lost, too, and if it is not, its run is already finished. An entry whose interval
        has changed continues with its next slot. Nothing is changed by an old plan, or by one that this
        machine cannot use. Raises redis.WatchError if another scheduler changes schedule or plan meanwhile.
        """
        with self.connection.pipeline() as changes:
            changes.watch(self.scheduled_jobs_key, PLAN)
            if self.plan is not None and changes.get(PLAN) != self.plan.encode():
                return
            found = dict(changes.zrange(self.scheduled_jobs_key, 0, -1, withscores=True))
            known = {entry.id: stored(self.connection, entry) for entry in self.entries.values()}
            now = self.clock()
            changes.multi()
            for entry in self.entries.values():
                self._correct(changes, entry, known[entry.id], found, now)
            for name in found.keys() - {entry.id.encode() for entry in self.entries.values()}:
                changes.zrem(self.scheduled_jobs_key, name)
                if name.startswith(ID_PREFIX.encode()):  # not the job of somebody else
                    changes.delete(JSONJob.key_for("").encode() + name)
            if changes.command_stack:
                changes.execute()

    def get_jobs_to_queue(self, with_times: bool = False) -> Iterator[Job]:
        """Yield the entries that are due."""
        return self.get_jobs(until=self.clock(), with_times=with_times)

    def enqueue_job(self, job: Job) -> None:
        """Enqueue the runs of the slots that are due, then move the entry to its next slot.

        Of more than the entry's backlog, the older ones are recorded as missed. The entry stays due while its
        whole backlog waits.
        """
        entry = self.entries.get(job.id)
        score = self.connection.zscore(self.scheduled_jobs_key, job.id)
        if entry is None or score is None:  # written by a scheduler that read another benchmark file
            return
        due, newest = entry.slot_at(score), entry.slot_at(self.clock())
        if self._backlog_waits(entry, due):
            return
        first = max(due, newest - (entry.backlog - 1) * entry.interval)
        if entry.series and due < first:
            self._enqueue_missed(entry, due, first - entry.interval)
        for slot in range(first, newest + 1, entry.interval):
            if entry.enqueue(self.runs, self.settings, slot):
                ENQUEUED.labels(entry.name).inc()
        self.connection.zadd(self.scheduled_jobs_key, {entry.id: newest + entry.interval}, xx=True, gt=True)

    def run_now(self) -> None:
        """Enqueue a simulation for the current second, and let new entries begin with their next slot.

        Measurements begin with the current slot, since there is nothing to show before their first run.
        """
        now = self.clock()
        enqueue_simulation(self.runs, self.settings, int(now))
        resumed = not self.connection.exists(self.scheduled_jobs_key)
        with self.connection.pipeline() as changes:
            for entry in self.entries.values():
                if stored(self.connection, entry) is None:
                    is_measured = any(series.measurement for series in entry.series)
                    later = 0 if is_measured else entry.interval
                    self._write(changes, entry, entry.slot_at(now) + later, resumed)
            changes.execute()

    def _redis_time(self) -> float:
        """Return the time of Redis' clock, in Unix seconds."""
        seconds, microseconds = cast("tuple[int, int]", self.connection.time())
        return seconds + microseconds / 1_000_000

    def _correct(
        self, changes: Pipeline, entry: Entry, known: Stored | None, found: dict[bytes, float], now: float
    ) -> None:
        """Add the commands that make Redis hold the entry."""
        due = found.get(entry.id.encode())
        if known and known.interval != entry.interval and due is not None:
            self._write(changes, entry, entry.slot_at(now) + entry.interval, resumed=False)
            return
        if due is not None and not 0 <= due <= now + entry.interval + CLOCK_TOLERANCE:
            due = None  # written with a wrong clock, or by somebody else
        if known is None or due is None:
            self._write(changes, entry, entry.slot_at(now if due is None else due), resumed=not found)

    def _write(self, changes: Pipeline, entry: Entry, due: int, resumed: bool) -> None:
        logger.info("%s: every %d s, next slot %d", entry.name, entry.interval, due)
        job = self._create_job(
            "jobs.schedule.schedule",  # rq-scheduler requires a function; it is never called
            id=entry.id,
            result_ttl=-1,
            description=f"every {entry.interval} s",
            meta=asdict(Stored(entry.interval, since=due, resumed=resumed)),
            commit=False,
        )
        job.save(pipeline=changes)
        changes.zadd(self.scheduled_jobs_key, {entry.id: due})

    def _backlog_waits(self, entry: Entry, due: int) -> bool:
        if not entry.series:
            return False
        before = [entry.job_id(due - back * entry.interval) for back in range(1, entry.backlog + 1)]
        return all(waits_untried(self.connection, self.settings, before))

    def _enqueue_missed(self, entry: Entry, first: int, last: int) -> None:
        logger.warning("%s: slots %d to %d missed", entry.name, first, last)
        for series in entry.series:
            enqueue_missed(self.runs, self.settings, series.llm, series.scenario, entry.interval, first, last)


def serve(
    settings: Settings,
    keeper: PlanKeeper,
    redis: Redis,
    stop: threading.Event,
    run_now: bool = False,
) -> None:
    """Poll until `stop` is set; while Redis is unreachable, keep trying."""
    scheduler = SlotScheduler(redis, settings)
    reachable: bool | None = None  # None: not yet known
    while not stop.is_set():
        try:
            keeper.look()
            FILE_FAULTS.set(len(keeper.faults))
            scheduler.follow(keeper.measurements, keeper.text, keeper.rules)
            if run_now:
                scheduler.run_now()
                run_now = False
            scheduler.poll()
            LAST_POLL.set_to_current_time()
            if reachable is False:
                logger.info("Redis reachable again")
            if not reachable:
                warn_of_fault(redis)
            reachable = True
        except RedisError as error:
            if reachable is not False:
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
        redis = queue_redis(settings)
        keeper = PlanKeeper(settings, redis)
        exporter.export(METRICS, settings)
    except SettingsError as error:
        exit_for(error)
    stop = threading.Event()

    def request_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, request_stop)
    signal.signal(signal.SIGTERM, request_stop)
    logger.info("scheduler started")
    serve(settings, keeper, redis, stop, options.run_now)
    logger.info("scheduler stopped")


if __name__ == "__main__":
    main()
