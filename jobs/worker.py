"""The worker process: takes jobs from the queue, runs each in a separate process, and retries failed ones.

python -m jobs.worker
"""

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from types import FrameType
from typing import Any, cast

import psycopg2
from redis import Redis, RedisError
from rq import Queue, Retry, Worker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now

# The functions of webapp.queue.functions, imported once, not in each job's process.
import jobs.maintenance
import jobs.measurement_run
import jobs.missed
import jobs.self_check
import jobs.shard_run
import jobs.simulation_run  # noqa: F401
from jobs.failed_jobs import FailedJobs, keep_error
from jobs.host import places
from jobs.recovery import Recovery
from jobs.run_job import run_job_of
from jobs.waiting_line import Waiting, WaitingLine
from jobs.worker_metrics import WorkerMetrics
from webapp.ingest.publish import publish
from webapp.logs import bind, configure_logging
from webapp.monitoring import exporter
from webapp.plan.current import read_plan, vouch
from webapp.queue.functions import refusal, slot_of
from webapp.queue.queues import RunsQueue, known_regions, runs_queue
from webapp.queue.workers import HOST_FIELD, PLACES_FIELD
from webapp.redis import cache_redis, queue_redis
from webapp.redis.server import warn_of_fault
from webapp.requirements import check_before_start
from webapp.settings import Settings, SettingsError, exit_for
from webapp.store import connect, runs

logger = logging.getLogger("jobs.worker")  # __name__ is __main__

RECONNECT_SECONDS = 0.5
# How often a worker reports that it and its job are alive, and how long it seems alive without that.
HEARTBEAT_SECONDS = 1
HEARTBEAT_TTL = 3
# An idle worker's report lasts for this and one minute, which RQ adds.
WORKER_TTL = 10
# How long a worker waits for a job before it looks for what dead workers have left.
DEQUEUE_SECONDS = 1
# How much longer than that a worker waits for Redis before it connects again.
SILENCE_SECONDS = 2
# How long to wait for the turn to publish a killed run: a worker that waits longer would seem dead itself.
# The next run publishes it anyway.
PUBLISH_WAIT_SECONDS = 2


class RunWorker(Worker):
    """RQ's worker, except that it runs known functions only, and that it soon notices deaths and connections.

    `record` is called with a job and a reason when the job's process or worker has died, or the job has
    failed for good. It returns whether it could record that.
    """

    queue_class = RunsQueue
    max_connection_wait_time = RECONNECT_SECONDS

    def __init__(self, queue: Queue, settings: Settings, record: Callable[[Job, str], bool]):
        super().__init__(
            [queue],
            connection=queue.connection,
            serializer=JSONSerializer,
            job_class=run_job_of(queue),
            worker_ttl=WORKER_TTL,
            maintenance_interval=DEQUEUE_SECONDS,
            job_monitoring_interval=HEARTBEAT_SECONDS,
            work_horse_killed_handler=self._record_killed,
        )
        self._settings = settings
        self._line = WaitingLine(settings, queue.connection)
        self._record = record
        self._recoveries: dict[str | None, Recovery] = {}
        self._failed = FailedJobs(record)

    @property
    def dequeue_timeout(self) -> int:
        """The seconds that the worker waits for a job before its maintenance."""
        return DEQUEUE_SECONDS

    @property
    def connection_timeout(self) -> int:
        """The seconds after which Redis' silence is an error."""
        return DEQUEUE_SECONDS + SILENCE_SECONDS

    def serialize(self) -> dict[str, Any]:
        """Return what Redis keeps of the worker, with its machine, whose processors it shares."""
        return {
            **super().serialize(),
            HOST_FIELD: self._settings.worker_host,
            PLACES_FIELD: places(self._settings),
        }

    def subscribe(self) -> None:
        """Subscribe to nothing: whoever reaches Redis need not be able to stop workers and their jobs."""

    def run_maintenance_tasks(self) -> None:
        """Recover what the dead left, call who waits, and record failed jobs; RQ calls this every second."""
        self._recover()
        self._line.call_next()
        vouch(self._settings, self.connection)
        self._failed.record()
        self.last_cleaned_at = now()  # type: ignore[assignment]
        if self._shutdown_requested_date:  # by a signal whose exception RQ has taken for one of its errors
            raise StopRequested

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Call who waits for what the last job has used, then wait for a job, past ids that no job has."""
        self._line.call_next()
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            except ValueError as error:
                logger.error("job refused: %s", error)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return the seconds without a heartbeat after which a job seems abandoned."""
        return HEARTBEAT_TTL

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Report that the worker and its job are alive; while Redis is unreachable, keep watching the job."""
        try:
            super().maintain_heartbeats(job, execution)
        except RedisError as error:
            logger.warning("job %s: no heartbeat: Redis unreachable: %s", job.id, error)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job in a separate process; one that is refused ends as failed."""
        reason = refusal(job, self._settings.region)
        if reason is None:
            super().execute_job(job, queue)
            self._failed.add(job)
            return
        logger.error("job %s refused: %s", job.id, reason)
        job.retries_left = None
        self.handle_job_failure(job, queue, exc_string=f"refused: {reason}")
        queue.intermediate_queue.remove(job.id)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run the job, in its process, with its id and slot in every log line."""
        bind({"job_id": job.id, "slot": slot_of(job)})
        return super().perform_job(job, queue, execution)

    def handle_job_retry(
        self,
        job: Job,
        queue: Queue,
        retry: Retry,
        started_job_registry: StartedJobRegistry,
        execution: Execution,
    ) -> None:
        """Let the job wait in line, which is neither a failure nor a try; no job returns another Retry."""
        with self.connection.pipeline() as pipeline:
            self._line.join(job, cast("Waiting", retry).server, pipeline)
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.execute()

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """End the job as failed, or for now if it will be retried; its error is kept with it."""
        keep_error(job, exc_string)
        super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)

    def _record_killed(self, job: Job, pid: int, status: int, usage: object) -> None:
        self._record(job, f"the run's process was killed (wait status {status})")

    def _recover(self) -> None:
        """Recover what was left in the worker's queue; without a region, also in those of regions.

        All workers of a region may have died, or lost their network.
        """
        region = self._settings.region
        for each in [region] if region else known_regions(self.connection):
            if each not in self._recoveries:
                queue = runs_queue(self.connection, each)
                end = partial(self._end_abandoned, queue)
                self._recoveries[each] = Recovery(queue, run_job_of(queue), end)
            self._recoveries[each].run()

    def _end_abandoned(self, queue: Queue, job: Job, execution: Execution) -> None:
        logger.warning("job %s: its worker died", job.id)
        self._record(job, "the run's worker died")
        self.handle_job_failure(job, queue, exc_string="The worker died.", execution=execution)
        self._failed.add(job)


def make_worker(settings: Settings, redis: Redis) -> RunWorker:
    """Return a worker on the queue of runs that records and publishes failures that jobs could not record."""

    def record(job: Job, error: str) -> bool:
        try:
            with closing(connect(settings)) as conn:
                with conn:
                    runs.fail_job(conn, job.id, error)
                publish(conn, settings, cache_redis(settings), PUBLISH_WAIT_SECONDS)
        except psycopg2.Error as fault:
            logger.error("job %s: could not record or publish its end: %s", job.id, fault)
            return False
        return True

    return RunWorker(runs_queue(redis, settings.region), settings, record)


def serve(settings: Settings, stop: threading.Event, metrics: WorkerMetrics) -> None:
    """Work until asked to stop, and finish the current job first; replace a worker that RQ gives up."""
    while not stop.is_set():
        worker = None
        try:
            redis = queue_redis(settings)
            warn_of_fault(redis)
            metrics.worker = worker = make_worker(settings, redis)
            worker.work(logging_level=None)
        except RedisError as error:
            logger.warning("Redis unreachable, retrying every %g s: %s", RECONNECT_SECONDS, error)
        if worker is not None and worker._shutdown_requested_date is not None:
            return
        _install_signal_handlers(stop)
        stop.wait(RECONNECT_SECONDS)


def _install_signal_handlers(stop: threading.Event) -> None:
    """Handle signals while no RQ worker, which installs its own handlers, is working."""

    def request_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, request_stop)
    signal.signal(signal.SIGTERM, request_stop)


def main() -> None:
    """Run the worker until SIGINT or SIGTERM; a second signal also ends the current job.

    Exits with 2 for bad settings or a database that cannot be used.
    """
    try:
        settings = Settings.from_env()
        configure_logging(settings)
        read_plan(settings, cache_redis(settings))
        metrics = WorkerMetrics(settings)
        registry = exporter.registry()
        registry.register(metrics)
        exporter.export(registry, settings)
    except SettingsError as error:
        exit_for(error)
    check_before_start(settings)
    stop = threading.Event()
    _install_signal_handlers(stop)
    serve(settings, stop, metrics)
    logger.info("worker stopped")


if __name__ == "__main__":
    main()
