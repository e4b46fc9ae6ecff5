"""The worker process: takes runs from the queue, each in a process of its own, and tries failed ones again.

python -m jobs.worker
"""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from types import FrameType, TracebackType

import psycopg2
from prometheus_client.core import CounterMetricFamily
from redis import Redis, RedisError
from rq import Queue, Worker
from rq.exceptions import AbandonedJobError
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

# Loaded here once, not in each job's process.
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

logger = logging.getLogger(__name__)

# How soon runs that a dead worker left behind are found and tried again, in seconds.
MAINTENANCE_SECONDS = 15
HEARTBEAT_SECONDS = 10
# RQ looks up from the empty queue, and so at abandoned runs, 15 seconds sooner than this.
WORKER_TTL = 30
RECONNECT_SECONDS = 2
# For the turn to show a killed run; a worker that waits long passes for dead itself. The next run shows it.
SHOW_SECONDS = 2


class RunWorker(Worker):
    """RQ's worker, but quick to find a lost Redis again and to notice another worker's death."""

    max_connection_wait_time = 5.0

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds after which a run whose worker sends no sign of life counts as abandoned."""
        return HEARTBEAT_SECONDS * 3

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run the job, in its own process, whose log lines say which one it is."""
        bind({"job_id": job.id, "slot": job.args[0]})
        return super().perform_job(job, queue, execution)


class WorkerMetrics:
    """What Prometheus may know of this process's work; RQ keeps it in Redis, where runs' processes add to it.

    A worker that was replaced begins at zero again, which Prometheus takes for a restart.
    """

    def __init__(self, settings: Settings):
        self._redis = cache_redis(settings)
        self.worker: RunWorker | None = None

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Once a scrape; nothing while Redis is away."""
        if self.worker is None:
            return
        fields = ("successful_job_count", "failed_job_count", "total_working_time")
        try:
            successful, failed, busy = self._redis.hmget(self.worker.key, fields)
        except RedisError:
            return
        jobs = CounterMetricFamily(
            "llm_benchmark_worker_jobs", "Jobs that this worker ended", labels=["status"]
        )
        jobs.add_metric(["successful"], float(successful or 0))
        jobs.add_metric(["failed"], float(failed or 0))
        yield jobs
        yield CounterMetricFamily(
            "llm_benchmark_worker_busy_seconds", "Time that they took", float(busy or 0)
        )


def make_worker(settings: Settings, redis: Redis) -> RunWorker:
    """A worker on the queue of runs that records in the database, and shows, what kills a run's process."""

    def record(job: Job, error: str) -> None:
        try:
            with closing(connect(settings)) as conn:
                with conn:
                    runs.fail_job(conn, job.id, error)
                publish(conn, cache_redis(settings), SHOW_SECONDS)
        except psycopg2.Error as fault:
            logger.error("could not record or show the end of %s: %s", job.id, fault)

    def killed(job: Job, pid: int, status: int, usage: object) -> None:
        record(job, f"the run's process was killed (wait status {status})")

    def abandoned(
        job: Job, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> bool:
        if issubclass(kind, AbandonedJobError):
            record(job, "the run's worker died")
        return True  # and RQ's own handling goes on

    return RunWorker(
        [runs_queue(redis)],
        connection=redis,
        serializer=JSONSerializer,
        job_class=JSONJob,
        maintenance_interval=MAINTENANCE_SECONDS,
        job_monitoring_interval=HEARTBEAT_SECONDS,
        worker_ttl=WORKER_TTL,
        work_horse_killed_handler=killed,
        exception_handlers=[abandoned],
    )


def serve(settings: Settings, stop: threading.Event, metrics: WorkerMetrics) -> None:
    """Work until asked to stop, finishing the run at hand; a worker that RQ gives up is replaced."""
    while not stop.is_set():
        worker = None
        try:
            metrics.worker = worker = make_worker(settings, queue_redis(settings))
            worker.work(with_scheduler=True, logging_level=None)
        except RedisError as error:
            logger.warning("Redis cannot be reached, waiting: %s", error)
        if worker is not None and worker._shutdown_requested_date is not None:
            return
        _install_signal_handlers(stop)
        stop.wait(RECONNECT_SECONDS)


def _install_signal_handlers(stop: threading.Event) -> None:
    """For the time between two of RQ's workers, which bring their own."""

    def request_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, request_stop)
    signal.signal(signal.SIGTERM, request_stop)


def main() -> None:
    """Run the worker until SIGINT or SIGTERM; a second signal also ends the run at hand."""
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
    serve(settings, stop, metrics)
    logger.info("worker stopped")


if __name__ == "__main__":
    main()
