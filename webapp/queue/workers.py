"""The workers of a queue, as it is in Redis."""

from collections.abc import Iterable
from typing import cast

from redis import Redis
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from webapp.plan.measurement import Measurement
from webapp.queue.queues import queue_name


def live_workers(redis: Redis, region: str | None) -> int:
    """Return the number of live workers of the region, or of those without a region."""
    keys = cast("set[bytes]", redis.smembers(WORKERS_BY_QUEUE_KEY % queue_name(region)))
    # A dead worker's key expires; its membership in the set does not.
    return redis.exists(*keys) if keys else 0


def unserved_regions(redis: Redis, measurements: Iterable[Measurement]) -> list[str]:
    """Return the regions that are to be measured from and have no live worker."""
    planned = {each.region for each in measurements if each.region}
    return sorted(region for region in planned if not live_workers(redis, region))
