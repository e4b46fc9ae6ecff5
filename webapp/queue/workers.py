"""The workers of a queue, as it is in Redis."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, cast

from redis import Redis
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from webapp.plan.measurement import Measurement
from webapp.queue.queues import queue_name

# Of a worker's hash, in addition to RQ's fields: its machine, and how many measurements that runs at a time.
HOST_FIELD, PLACES_FIELD = "host", "places"


class Room(NamedTuple):
    """The live workers of a queue."""

    workers: int
    places: int  # how many of them may measure at the same time


def room(redis: Redis, region: str | None) -> Room:
    """Return what the region has room for, or the workers without a region; those of a machine share it."""
    with redis.pipeline(transaction=False) as pipeline:
        for key in redis.smembers(WORKERS_BY_QUEUE_KEY % queue_name(region)):
            pipeline.hmget(key, HOST_FIELD, PLACES_FIELD)
        alive = [(host, int(places)) for host, places in pipeline.execute() if host and places]
    hosts = Counter(host for host, _ in alive)
    return Room(len(alive), sum(min(hosts[host], places) for host, places in dict(alive).items()))


def live_workers(redis: Redis, region: str | None) -> int:
    """Return the number of live workers of the region, or of those without a region."""
    keys = cast("set[bytes]", redis.smembers(WORKERS_BY_QUEUE_KEY % queue_name(region)))
    # A dead worker's key expires; its membership in the set does not.
    return redis.exists(*keys) if keys else 0


def unserved_regions(redis: Redis, measurements: Iterable[Measurement]) -> list[str]:
    """Return the regions that are to be measured from and have no live worker."""
    planned = {each.region for each in measurements if each.region}
    return sorted(region for region in planned if not live_workers(redis, region))
