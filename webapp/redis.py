"""Redis clients: one that fails fast, and one that retries."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from webapp.settings import Settings


def cache_redis(settings: Settings) -> Redis:
    """Return a client for work that can do without Redis: short timeouts, no retries."""
    return Redis.from_url(
        settings.redis_url,
        socket_connect_timeout=0.25,
        socket_timeout=0.25,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )


def queue_redis(settings: Settings) -> Redis:
    """Return a client for the queue, which cannot do without Redis: longer timeouts, one reconnection.

    A silent server is not asked again, so that whoever waits for it soon opens another connection.
    """
    return Redis.from_url(
        settings.redis_url,
        socket_connect_timeout=2,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
