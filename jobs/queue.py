"""The queue of runs: JSON only, one job a slot."""

import logging
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from webapp.settings import Settings

logger = logging.getLogger(__name__)

QUEUE_NAME = "runs"
RUN_SIMULATION = "jobs.run.run_simulation"
# A run that takes longer is stopped and tried again.
RUN_TIMEOUT = 600
# With no worker about, so many slots wait; older ones expire, since their moment has passed.
BACKLOG_SLOTS = 10
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


def enqueue_simulation(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the simulation of a slot (Unix seconds); False if it was enqueued before."""
    try:
        queue.enqueue_call(
            RUN_SIMULATION,
            args=(slot,),
            job_id=f"simulation-{slot}",
            unique=True,
            timeout=RUN_TIMEOUT,
            ttl=BACKLOG_SLOTS * settings.schedule_interval + settings.retry_delay,
            result_ttl=RESULT_SECONDS,
            failure_ttl=FAILURE_SECONDS,
            retry=_retry(settings),
        )
    except DuplicateJobError:
        return False
    logger.info("enqueued the simulation of slot %d", slot)
    return True


def _retry(settings: Settings) -> Retry | None:
    return Retry(max=settings.max_retries, interval=settings.retry_delay) if settings.max_retries else None
