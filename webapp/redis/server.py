"""What a server must be to hold the queue: new enough, and keeping every key."""

import logging
import re

from redis import Redis, ResponseError

logger = logging.getLogger(__name__)

OLDEST_VERSION = (6, 2)
POLICY = "noeviction"


def server_fault(redis: Redis) -> str | None:
    """Return why the server is unfit; None if it is fit, or does not allow INFO, as some managed ones."""
    try:
        version = str(redis.info("server").get("redis_version", ""))  # Valkey's is that of the same features
        policy = redis.info("memory").get("maxmemory_policy", POLICY)
    except ResponseError:
        return None
    faults = []
    if version and tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_VERSION:
        faults.append(f"version {version}; expected Redis 6.2 or newer, or Valkey")
    if policy != POLICY:
        faults.append(f"maxmemory-policy {policy} may evict jobs; expected {POLICY}")
    return "; ".join(faults) or None


def warn_of_fault(redis: Redis) -> None:
    """Log why the server is unfit, if it is; raises RedisError if it is unreachable."""
    if fault := server_fault(redis):
        logger.warning("redis: %s", fault)
