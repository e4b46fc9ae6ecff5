"""The queue of runs: jobs by function name, as JSON, one per slot."""

import logging
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from webapp.plan.measurement import Measurement
from webapp.settings import Settings

logger = logging.getLogger(__name__)

QUEUE_NAME = "runs"
RUN_SIMULATION = "jobs.simulation_run.run_simulation"
RUN_MEASUREMENT = "jobs.measurement_run.run_measurement"
RUN_SELF_CHECK = "jobs.self_check.run_self_check"
RUN_MAINTENANCE = "jobs.maintenance.run_maintenance"
# Seconds after which a run is stopped and retried.
RUN_TIMEOUT = 600
# Seconds that a measurement's job needs in addition to the measurement: to connect, to end and to store.
OVERHEAD_SECONDS = 60
# Without a worker, jobs of this number of slots wait in the queue; older ones expire.
BACKLOG_SLOTS = 10
# Seconds between maintenance jobs, of which only the newest waits.
MAINTENANCE_INTERVAL = 3600
# How long RQ keeps jobs: for its dashboard, and to refuse a second job for a slot.
RESULT_SECONDS = 24 * 3600
FAILURE_SECONDS = 7 * 24 * 3600


class JSONJob(Job):
    """A job that is JSON in Redis, whatever serializer a library passes: nothing is ever unpickled."""

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None):
        super().__init__(id=id, connection=connection, serializer=JSONSerializer)


def runs_queue(redis: Redis) -> Queue:
    """Return the one queue of all workers; a worker on several queues can lose a job when it dies."""
    return Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer, job_class=JSONJob)


def enqueue_simulation(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the simulation of a slot (Unix seconds); False if it was enqueued before."""
    ttl = BACKLOG_SLOTS * settings.schedule_interval + settings.retry_delay
    return _enqueue(queue, settings, RUN_SIMULATION, simulation_job_id(slot), (slot,), ttl)


def enqueue_measurement(queue: Queue, settings: Settings, slot: int, measurement: Measurement) -> bool:
    """Enqueue a measurement's run of a slot (Unix seconds); False if it was enqueued before."""
    return _enqueue(
        queue,
        settings,
        RUN_MEASUREMENT,
        measurement_job_id(measurement, slot),
        (measurement.llm, measurement.scenario, slot),
        ttl=BACKLOG_SLOTS * measurement.interval + settings.retry_delay,
        timeout=measurement.longest_s + OVERHEAD_SECONDS,
    )


def enqueue_self_check(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the self-check of a slot (Unix seconds); False if it was enqueued before."""
    ttl = settings.self_check_interval + settings.retry_delay
    return _enqueue(queue, settings, RUN_SELF_CHECK, f"self-check-{slot}", (slot,), ttl)


def enqueue_maintenance(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the maintenance of a slot (Unix seconds); False if it was enqueued before."""
    ttl = MAINTENANCE_INTERVAL + settings.retry_delay
    return _enqueue(queue, settings, RUN_MAINTENANCE, f"maintenance-{slot}", (slot,), ttl)


def simulation_job_id(slot: int) -> str:
    """Return the id of the slot's simulation."""
    return f"simulation-{slot}"


def measurement_job_id(measurement: Measurement, slot: int) -> str:
    """Return the id of the slot's measurement, unique over measurements and slots."""
    return f"measurement-{measurement.slug}-{slot}"


def _enqueue(  # noqa: PLR0913, PLR0917  (private; those above name them)
    queue: Queue,
    settings: Settings,
    function: str,
    job_id: str,
    arguments: tuple[str | int, ...],
    ttl: int,
    timeout: int = RUN_TIMEOUT,
) -> bool:
    try:
        queue.enqueue_call(
            function,
            args=arguments,
            job_id=job_id,
            unique=True,
            timeout=timeout,
            ttl=ttl,
            result_ttl=RESULT_SECONDS,
            failure_ttl=FAILURE_SECONDS,
            retry=_retry(settings),
        )
    except DuplicateJobError:
        return False
    logger.info("enqueued %s", job_id)
    return True


def _retry(settings: Settings) -> Retry | None:
    return Retry(max=settings.max_retries, interval=settings.retry_delay) if settings.max_retries else None
