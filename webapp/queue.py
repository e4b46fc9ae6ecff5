"""The queue of runs: jobs by function name, as JSON, one per slot."""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from redis import Redis
from rq import Queue, Retry
from rq.exceptions import DeserializationError, DuplicateJobError, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from webapp.plan.measurement import Measurement, Task
from webapp.scenarios import REGION, split
from webapp.settings import Settings

logger = logging.getLogger(__name__)

# Of a job that is neither running nor ended. "deferred" is one that waits for an endpoint or a processor.
WAITING_STATUSES = (b"queued", b"scheduled", b"deferred")

# Of the workers without a region; that of a region is named after it, see `queue_name`.
QUEUE_NAME = "runs"
# The jobs that wait for an endpoint or a processor: ids by the time when they came to the queue.
WAITING_LINE = "llm-benchmark:waiting"
RUN_SIMULATION = "jobs.simulation_run.run_simulation"
RUN_MEASUREMENT = "jobs.measurement_run.run_measurement"
RUN_SELF_CHECK = "jobs.self_check.run_self_check"
RUN_MAINTENANCE = "jobs.maintenance.run_maintenance"
RUN_DELIVERY = "jobs.notify.run_delivery"
RUN_DIGEST = "jobs.notify.run_digest"
RUN_SHARD = "jobs.shard_run.run_shard"
RECORD_MISSED = "jobs.missed.record_missed"
# The only functions that a worker runs, with the types of their arguments.
FUNCTIONS: dict[str, tuple[type, ...]] = {
    RUN_SIMULATION: (int,),
    RUN_MEASUREMENT: (str, str, int),
    RUN_SELF_CHECK: (int,),
    RUN_MAINTENANCE: (int,),
    RUN_DELIVERY: (int,),
    RUN_DIGEST: (int,),
    RECORD_MISSED: (str, str, int, int, int),
    RUN_SHARD: (str, str, int, str, int),
}
# Where the slot is among the arguments, unless it is the first one.
SLOT_AT = {RUN_MEASUREMENT: 2, RUN_SHARD: 2, RECORD_MISSED: 3}
# Those of a measurement, whose second argument names what is measured, with its region; the workers of a
# region run no others.
REGIONAL = (RUN_MEASUREMENT, RUN_SHARD)
LONGEST_DELAY = 86_400  # of RETRY_DELAY
LONGEST_ARGUMENT = 500
LARGEST_ARGUMENT = 250_000_000_000  # a moment in the year 9892
# Seconds after which a run is stopped and retried.
RUN_TIMEOUT = 600
# For how long a measurement's job tries to store its result while the database is unreachable.
STORE_SECONDS = 300
# Seconds that a measurement's job needs for each level in addition to it: to connect, to end and to store.
OVERHEAD_SECONDS = 60 + STORE_SECONDS
# For how long the job of a level with shards waits for the others: if there are too few workers, and if there
# are enough, which have other work.
GATHER_SECONDS = 60
LONGEST_GATHER_SECONDS = 600
# For how long the shards that have come together connect and prepare.
PREPARE_SECONDS = 120
# Without a worker, jobs of this number of slots wait in the queue. The slot of a job that waits for longer
# than that number of intervals is missed.
BACKLOG_SLOTS = 10
# Seconds between maintenance jobs, of which only the newest waits.
MAINTENANCE_INTERVAL = 3600
# Seconds between jobs that send what no other job has sent, and that look for digests that are due.
DELIVERY_INTERVAL = 60
DIGEST_INTERVAL = 3600
# How long RQ keeps jobs: for its dashboard, and to refuse a second job for a slot.
RESULT_SECONDS = 24 * 3600
DELIVERY_RESULT_SECONDS = 600  # of jobs that are many
FAILURE_SECONDS = 7 * 24 * 3600


# What this application's jobs consist of. Redis is not trusted: RQ would import and call what a hash names as
# a callback, send its webhooks, and repeat it.
JOB_FIELDS = frozenset(
    b"data status origin description meta created_at enqueued_at started_at ended_at last_heartbeat"
    b" worker_name timeout ttl result_ttl failure_ttl retries_left number_of_retries retry_intervals"
    b" exc_info".split()
)


class JSONJob(Job):
    """A job that is JSON in Redis, whatever serializer a library passes: nothing is ever unpickled.

    It has only the JOB_FIELDS of its hash. Raises NoSuchJobError for a hash that is not a job's.
    """

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None):
        super().__init__(id=id, connection=connection, serializer=JSONSerializer)

    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Take over the hash's fields."""
        try:
            super().restore({name: value for name, value in raw_data.items() if name in JOB_FIELDS})
            if not all(
                type(each) is int and 0 <= each <= LONGEST_DELAY for each in self.retry_intervals or ()
            ):
                raise ValueError(f"retry_intervals={self.retry_intervals!r}: expected seconds")
        except (ValueError, TypeError, LookupError, AssertionError, RecursionError) as error:
            raise NoSuchJobError(f"job {self.id}: unreadable: {error}") from error


def refusal(job: Job, region: str | None = None) -> str | None:
    """Return why a worker of the region must not run the job.

    None if it calls one of FUNCTIONS with fitting arguments, and belongs to the region's queue.
    """
    try:
        name, instance, arguments, keywords = job.func_name, job.instance, job.args, job.kwargs
    except DeserializationError:
        return "data: not a call in JSON"
    if not isinstance(name, str) or name not in FUNCTIONS:
        return f"function={str(name)[:LONGEST_ARGUMENT]!r}: unknown; expected one of {', '.join(FUNCTIONS)}"
    types = FUNCTIONS[name]
    fits = isinstance(arguments, list) and list(map(type, arguments)) == list(types)
    if instance is not None or keywords or not fits or not all(map(_is_bounded, arguments)):
        return f"function={name!r}: arguments do not fit; expected {', '.join(t.__name__ for t in types)}"
    own = split(arguments[1]).region if name in REGIONAL else None
    if own != region:
        return f"queue={queue_name(own)!r}: not this worker's; expected {queue_name(region)!r}"
    return None


def slot_of(job: Job) -> int:
    """Return the slot (Unix seconds) of a job that is not refused, or the first one of several."""
    return job.args[SLOT_AT.get(job.func_name or "", 0)]


def _is_bounded(argument: str | int) -> bool:
    if isinstance(argument, str):
        return len(argument) <= LONGEST_ARGUMENT
    return 0 <= argument <= LARGEST_ARGUMENT


class RunsQueue(Queue):
    """A queue of jobs that do not depend on each other, whatever Redis says."""

    def move_dependents_to_ready(self, *arguments: Any, **options: Any) -> dict[str, list[str]]:
        """Return no jobs: none waits for another one."""
        return {}

    @classmethod
    def lpop(cls, queue_keys: Sequence[str], timeout: int | None, connection: Redis | None = None) -> Any:
        """Return the key of the one queue and the id of its next job, which is kept until its worker begins.

        RQ would only pop it, and lose it with its worker, if it may not ask the server for its version.
        """
        return cls.lmove(cast("Redis", connection), queue_keys[0], timeout)


def queue_name(region: str | None) -> str:
    """Return the name of the queue of the region's workers, or of those without a region."""
    return f"{QUEUE_NAME}-{region}" if region else QUEUE_NAME


def waiting_line(region: str | None) -> str:
    """Return the key of the line of the jobs of that queue."""
    return f"{WAITING_LINE}:{region}" if region else WAITING_LINE


def runs_queue(redis: Redis, region: str | None = None) -> Queue:
    """Return the queue of the region's workers, or of those without a region.

    A worker has one queue: on several, it can lose a job when it dies.
    """
    return RunsQueue(queue_name(region), connection=redis, serializer=JSONSerializer, job_class=JSONJob)


def known_regions(redis: Redis) -> list[str | None]:
    """Return the regions whose queues have ever had a job, after None for those without a region."""
    prefix = f"{Queue.redis_queue_namespace_prefix}{QUEUE_NAME}-"
    keys = (
        key.decode(errors="replace") for key in cast("set[bytes]", redis.smembers(Queue.redis_queues_keys))
    )
    regions = (key.removeprefix(prefix) for key in keys if key.startswith(prefix))
    return [None, *sorted(region for region in regions if REGION.match(region))]


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


def longest_seconds(level: Measurement) -> int:
    """Return how long a job may take for the level: to wait for others, to measure and to store it."""
    gathering = LONGEST_GATHER_SECONDS + PREPARE_SECONDS if level.shards > 1 else 0
    return level.longest_s + OVERHEAD_SECONDS + gathering


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


def waits_untried(redis: Redis, settings: Settings, job_ids: list[str]) -> list[bool]:
    """Return for each job whether it waits, in the queue or for a busy endpoint, and was never tried."""
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hmget(Job.key_for(job_id), "status", "retries_left")
        found = pipeline.execute()
    untried = (None, b"%d" % settings.max_retries)
    return [status in WAITING_STATUSES and left in untried for status, left in found]


def unfinished(redis: Redis, job_ids: list[str]) -> list[bool]:
    """Return for each job whether it waits, for its first or another try, or is running."""
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(Job.key_for(job_id), "status")
        return [status in (*WAITING_STATUSES, b"started") for status in pipeline.execute()]


def failed(redis: Redis, job_ids: list[str]) -> list[bool]:
    """Return for each job whether it has failed and will not be tried again."""
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(Job.key_for(job_id), "status")
        return [status == b"failed" for status in pipeline.execute()]


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
