"""The worker process: takes jobs from the queue, runs each in a separate process, and retries failed ones.

python -m jobs.worker
"""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from types import FrameType, TracebackType

import psycopg2
from prometheus_client.core import CounterMetricFamily
from redis import Redis, RedisError
from rq import Queue, Worker
from rq.exceptions import AbandonedJobError
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

# The functions of webapp.queue, imported once, not in each job's process.
import jobs.maintenance
import jobs.measurement_run
import jobs.self_check
import jobs.simulation_run  # noqa: F401
from webapp.ingest.publish import publish
from webapp.logs import bind, configure_logging
from webapp.monitoring import exporter
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.queue import JSONJob, runs_queue
from webapp.redis import cache_redis, queue_redis
from webapp.settings import Settings, SettingsError, exit_for
from webapp.store import connect, runs

logger = logging.getLogger("jobs.worker")  # __name__ is __main__

RECONNECT_SECONDS = 2
# How long to wait for the turn to publish a killed run: a worker that waits longer would seem dead itself.
# The next run publishes it anyway.
PUBLISH_WAIT_SECONDS = 2


@dataclass(frozen=True)
class Intervals:
    """How often a worker does what keeps the queue going, in seconds."""

    maintenance: int = 15  # looks for jobs that a dead worker has abandoned
    heartbeat: int = 10  # reports that it and its job are alive
    # RQ stops waiting for a job, and does its maintenance, 15 seconds before this time has passed.
    worker_ttl: int = 30


DEFAULT_INTERVALS = Intervals()


class RunWorker(Worker):
    """RQ's worker, except that it soon reconnects to Redis and soon notices another worker's death."""

    max_connection_wait_time = 5.0

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return the seconds without a heartbeat after which RQ takes a job for abandoned."""
        return self.job_monitoring_interval * 3

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run the job, in its process, with its id and slot in every log line."""
        bind({"job_id": job.id, "slot": job.args[0]})
        return super().perform_job(job, queue, execution)


class WorkerMetrics:
    """This process's work for Prometheus, from the counters that RQ keeps in Redis.

    A replaced worker begins at zero, which Prometheus takes for a restart.
    """

    def __init__(self, settings: Settings):
        self._redis = cache_redis(settings)
        self.worker: RunWorker | None = None

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counters; none while Redis is unreachable."""
        if self.worker is None:
            return
        fields = ("successful_job_count", "failed_job_count", "total_working_time")
        try:
            successful, failed, busy = self._redis.hmget(self.worker.key, fields)
        except RedisError:
            return
        jobs = CounterMetricFamily(
            "llm_benchmark_worker_jobs", "Jobs that this worker has ended", labels=["status"]
        )
        jobs.add_metric(["successful"], float(successful or 0))
        jobs.add_metric(["failed"], float(failed or 0))
        yield jobs
        yield CounterMetricFamily(
            "llm_benchmark_worker_busy_seconds", "Total duration of these jobs", float(busy or 0)
        )


def make_worker(settings: Settings, redis: Redis, intervals: Intervals = DEFAULT_INTERVALS) -> RunWorker:
    """Return a worker on the queue of runs that records and publishes the death of a job's process."""

    def record(job: Job, error: str) -> None:
        try:
            with closing(connect(settings)) as conn:
                with conn:
                    runs.fail_job(conn, job.id, error)
                publish(conn, cache_redis(settings), PUBLISH_WAIT_SECONDS)
        except psycopg2.Error as fault:
            logger.error("job %s: could not record or publish its end: %s", job.id, fault)

    def killed(job: Job, pid: int, status: int, usage: object) -> None:
        record(job, f"the run's process was killed (wait status {status})")

    def abandoned(
        job: Job, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> bool:
        if issubclass(kind, AbandonedJobError):
            record(job, "the run's worker died")
        return True  # RQ's handling continues

    return RunWorker(
        [runs_queue(redis)],
        connection=redis,
        serializer=JSONSerializer,
        job_class=JSONJob,
        maintenance_interval=intervals.maintenance,
        job_monitoring_interval=intervals.heartbeat,
        worker_ttl=intervals.worker_ttl,
        work_horse_killed_handler=killed,
        exception_handlers=[abandoned],
    )


def serve(
    settings: Settings,
    stop: threading.Event,
    metrics: WorkerMetrics,
    intervals: Intervals = DEFAULT_INTERVALS,
) -> None:
    """Work until asked to stop, and finish the current job first; replace a worker that RQ gives up."""
    while not stop.is_set():
        worker = None
        try:
            metrics.worker = worker = make_worker(settings, queue_redis(settings), intervals)
            worker.work(with_scheduler=True, logging_level=None)
        except RedisError as error:
            logger.warning("Redis unreachable, retrying in %d s: %s", RECONNECT_SECONDS, error)
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


def main(intervals: Intervals = DEFAULT_INTERVALS) -> None:
    """Run the worker until SIGINT or SIGTERM; a second signal also ends the current job."""
    try:
        settings = Settings.from_env()
        configure_logging(settings)
        read_benchmark_file(settings)
        metrics = WorkerMetrics(settings)
        registry = exporter.registry()
        registry.register(metrics)
        exporter.export(registry, settings)
    except SettingsError as error:
        exit_for(error)
    stop = threading.Event()
    _install_signal_handlers(stop)
    serve(settings, stop, metrics, intervals)
    logger.info("worker stopped")


if __name__ == "__main__":
    main()
