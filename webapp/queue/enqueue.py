"""Enqueue jobs by function name, one per slot."""

import hashlib
import logging
from uuid import UUID

from rq import Queue, Retry
from rq.exceptions import DuplicateJobError

from webapp.plan.measurement import Measurement, Task
from webapp.queue.durations import (
    DELIVERY_INTERVAL,
    DELIVERY_RESULT_SECONDS,
    DIGEST_INTERVAL,
    FAILURE_SECONDS,
    LONGEST_GATHER_SECONDS,
    MAINTENANCE_INTERVAL,
    RESULT_SECONDS,
    RUN_TIMEOUT,
    longest_seconds,
)
from webapp.queue.functions import (
    RECORD_MISSED,
    RUN_DELIVERY,
    RUN_DIGEST,
    RUN_MAINTENANCE,
    RUN_MEASUREMENT,
    RUN_SELF_CHECK,
    RUN_SHARD,
    RUN_SIMULATION,
)
from webapp.queue.queues import runs_queue
from webapp.settings import Settings

logger = logging.getLogger(__name__)


def enqueue_simulation(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the simulation of a slot (Unix seconds); False if it was enqueued before."""
    return _enqueue(queue, settings, RUN_SIMULATION, simulation_job_id(slot), (slot,))


def enqueue_measurement(queue: Queue, settings: Settings, slot: int, task: Task) -> bool:
    """Enqueue the measurements of a slot (Unix seconds) for the task's region; False if enqueued before."""
    return _enqueue(
        runs_queue(queue.connection, task.region),
        settings,
        RUN_MEASUREMENT,
        measurement_job_id(task, slot),
        (task.llm, task.name, slot),
        timeout=sum(map(longest_seconds, task.levels)),
    )


def enqueue_shards(queue: Queue, settings: Settings, level: Measurement, slot: int, token: UUID) -> None:
    """Enqueue the other shards of a level, before all runs that wait, for the attempt with that token."""
    for number in range(1, level.shards):
        _enqueue(
            queue,
            settings,
            RUN_SHARD,
            f"shard-{token}-{number}",
            (level.llm, level.scenario, slot, str(token), number),
            ttl=LONGEST_GATHER_SECONDS,
            timeout=longest_seconds(level),
            result_ttl=DELIVERY_RESULT_SECONDS,
            at_front=True,
            is_retried=False,
        )


def enqueue_self_check(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the self-check of a slot (Unix seconds); False if it was enqueued before."""
    ttl = settings.self_check_interval + settings.retry_delay
    return _enqueue(queue, settings, RUN_SELF_CHECK, f"self-check-{slot}", (slot,), ttl)


def enqueue_maintenance(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the maintenance of a slot (Unix seconds); False if it was enqueued before."""
    ttl = MAINTENANCE_INTERVAL + settings.retry_delay
    return _enqueue(queue, settings, RUN_MAINTENANCE, f"maintenance-{slot}", (slot,), ttl)


def enqueue_delivery(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the sending of messages, before all runs that wait; False if the slot's was enqueued before.

    The slot is any second (Unix).
    """
    ttl = DELIVERY_INTERVAL + settings.retry_delay
    job_id = f"delivery-{slot}"
    return _enqueue(
        queue, settings, RUN_DELIVERY, job_id, (slot,), ttl, result_ttl=DELIVERY_RESULT_SECONDS, at_front=True
    )


def enqueue_digest(queue: Queue, settings: Settings, slot: int) -> bool:
    """Enqueue the digests that are due in a slot (Unix seconds); False if they were enqueued before."""
    ttl = DIGEST_INTERVAL + settings.retry_delay
    return _enqueue(queue, settings, RUN_DIGEST, f"digest-{slot}", (slot,), ttl)


def enqueue_missed(  # noqa: PLR0913, PLR0917  (each is an argument of the job)
    queue: Queue, settings: Settings, llm: str, scenario: str, interval: int, first: int, last: int
) -> bool:
    """Enqueue a job that records slots of a measurement as missed, `first` to `last`; False if it exists.

    Without an LLM, those of the simulation.
    """
    digest = hashlib.sha256(f"{llm}\0{scenario}".encode()).hexdigest()[:8]
    job_id = f"missed-{digest}-{first}-{last}"
    return _enqueue(queue, settings, RECORD_MISSED, job_id, (llm, scenario, interval, first, last))


def simulation_job_id(slot: int) -> str:
    """Return the id of the slot's simulation."""
    return f"simulation-{slot}"


def measurement_job_id(task: Task, slot: int) -> str:
    """Return the id of the job that measures the slot, unique over tasks and slots."""
    return f"measurement-{task.slug}-{slot}"


def _enqueue(  # noqa: PLR0913, PLR0917  (private; those above name them)
    queue: Queue,
    settings: Settings,
    function: str,
    job_id: str,
    arguments: tuple[str | int, ...],
    ttl: int | None = None,
    timeout: int = RUN_TIMEOUT,
    result_ttl: int = RESULT_SECONDS,
    at_front: bool = False,
    is_retried: bool = True,
) -> bool:
    """Enqueue the call; without `ttl` its job never expires."""
    try:
        queue.enqueue_call(
            function,
            args=arguments,
            job_id=job_id,
            unique=True,
            timeout=timeout,
            ttl=ttl,
            result_ttl=result_ttl,
            failure_ttl=FAILURE_SECONDS,
            retry=_retry(settings) if is_retried else None,
            at_front=at_front,
        )
    except DuplicateJobError:
        return False
    logger.info("enqueued %s", job_id)
    return True


def _retry(settings: Settings) -> Retry | None:
    return Retry(max=settings.max_retries, interval=settings.retry_delay) if settings.max_retries else None
