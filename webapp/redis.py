"""Connections to Redis, each kind with the patience that its use can afford."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.settings import Settings


def cache_redis(settings: Settings) -> Redis:
    """A client for work that can do without Redis: it gives up at once instead of trying again."""
    return Redis.from_url(
        settings.redis_url,
        socket_connect_timeout=0.25,
        socket_timeout=0.25,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )


def queue_redis(settings: Settings) -> Redis:
    """A client for the queue: without Redis there is nothing to do, so it waits a little longer."""
    return Redis.from_url(settings.redis_url, socket_connect_timeout=3, retry=Retry(NoBackoff(), 1))
