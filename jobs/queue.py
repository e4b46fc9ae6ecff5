"""The queue of runs: JSON only, one job a slot."""

import logging
from typing import TYPE_CHECKING, Any

from redis import Redis
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

if TYPE_CHECKING:
    # Not when it runs: the web application, which enqueues too, imports this module.
    from webapp.settings import Settings

logger = logging.getLogger(__name__)

QUEUE_NAME = "runs"
RUN_SIMULATION = "jobs.run.run_simulation"
RUN_MAINTENANCE = "jobs.maintenance.run_maintenance"
# A run that takes longer is stopped and tried again.
RUN_TIMEOUT = 600
# With no worker about, so many slots wait; older ones expire, since their moment has passed.
BACKLOG_SLOTS = 10
# Seconds; of maintenance only the newest waits.
MAINTENANCE_INTERVAL = 3600
# How long RQ remembers, for its dashboard and to refuse a slot's second job.
RESULT_SECONDS = 24 * 3600
FAILURE_SECONDS = 7 * 24 * 3600


class JSONJob(Job):
    """A job that is JSON in Redis wherever RQ or rq-scheduler reads it, so that nothing is ever unpickled."""

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None):
        super().__init__(id=id, connection=connection, serializer=JSONSerializer)


def runs_queue(redis: Redis) -> Queue:
    """The one queue that all workers listen on; from several, a dying worker can lose what it takes."""
    return Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer, job_class=JSONJob)


def enqueue_simulation(queue: Queue, settings: "Settings", slot: int) -> bool:
    """Enqueue the simulation of a slot (Unix seconds); False if it was enqueued before."""
    ttl = BACKLOG_SLOTS * settings.schedule_interval + settings.retry_delay
    return _enqueue(queue, settings, RUN_SIMULATION, "simulation", slot, ttl)


def enqueue_maintenance(queue: Queue, settings: "Settings", slot: int) -> bool:
    """Enqueue the maintenance of a slot (Unix seconds); False if it was enqueued before."""
    ttl = MAINTENANCE_INTERVAL + settings.retry_delay
    return _enqueue(queue, settings, RUN_MAINTENANCE, "maintenance", slot, ttl)


def _enqueue(  # noqa: PLR0913, PLR0917  (private; the two above name them)
    queue: Queue, settings: "Settings", function: str, kind: str, slot: int, ttl: int
) -> bool:
    try:
        queue.enqueue_call(
            function,
            args=(slot,),
            job_id=f"{kind}-{slot}",
            unique=True,
            timeout=RUN_TIMEOUT,
            ttl=ttl,
            result_ttl=RESULT_SECONDS,
            failure_ttl=FAILURE_SECONDS,
            retry=_retry(settings),
        )
    except DuplicateJobError:
        return False
    logger.info("enqueued the %s of slot %d", kind, slot)
    return True


def _retry(settings: "Settings") -> Retry | None:
    return Retry(max=settings.max_retries, interval=settings.retry_delay) if settings.max_retries else None
