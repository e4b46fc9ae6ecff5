"""The queues: one for the workers of each region, and one for those without a region."""

from collections.abc import Sequence
from typing import Any, cast

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from webapp.queue.json_job import JSONJob
from webapp.scenarios import REGION

# Of the workers without a region; that of a region is named after it, see `queue_name`.
QUEUE_NAME = "runs"
# The jobs that wait for an endpoint or a processor: ids by the time when they came to the queue.
WAITING_LINE = "llm-benchmark:waiting"


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
