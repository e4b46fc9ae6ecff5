"""The generation's copy in Redis: a hint that saves readers a query and errs only on the safe side.

The truth is in PostgreSQL. Whoever refreshes the views says so here before committing (`announce`), so that
from then on readers ask PostgreSQL, and gives the new number afterwards (`publish`). One that dies in between
leaves the announcement, which expires. Readers fill an empty place only (`offer`), so none can put back an
older number. The hint itself expires within seconds: that bounds the harm of anything not thought of here.
"""

from typing import cast

from redis import Redis, RedisError

# The cache's own prefix, so that Flask-Caching reads the hint in one round trip with an answer.
KEY_PREFIX = "llm-benchmark:answer:"
HINT_NAME = "generation"
HINT = KEY_PREFIX + HINT_NAME
LAST_KNOWN = KEY_PREFIX + "last-known-generation"
CHANGING = b"changing"

HINT_SECONDS = 10
# Longer than any refresh may take from its announcement to its commit.
CHANGING_SECONDS = 120
LAST_KNOWN_SECONDS = 7 * 24 * 3600


def announce(redis: Redis) -> None:
    """Make readers ask PostgreSQL from now on; without Redis there is no hint to distrust."""
    _try_set(redis, {HINT: (CHANGING, CHANGING_SECONDS)})


def publish(redis: Redis, generation: int) -> None:
    """Make the committed generation known; only for whoever holds the turn to refresh."""
    value = str(generation).encode()
    _try_set(redis, {HINT: (value, HINT_SECONDS), LAST_KNOWN: (value, LAST_KNOWN_SECONDS)})


def offer(redis: Redis, generation: int) -> None:
    """Fill an empty place with what a reader has just read from PostgreSQL."""
    value = str(generation).encode()
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.set(HINT, value, ex=HINT_SECONDS, nx=True)
        pipeline.set(LAST_KNOWN, value, ex=LAST_KNOWN_SECONDS)
        pipeline.execute()


def last_known(redis: Redis) -> int | None:
    """The newest generation heard of, for when PostgreSQL is down and so nothing newer can be."""
    return parse(cast("bytes | None", redis.get(LAST_KNOWN)))


def parse(raw: bytes | None) -> int | None:
    """The number in a hint; None when there is none to trust."""
    return int(raw) if raw and raw.isdigit() else None


def _try_set(redis: Redis, values: dict[str, tuple[bytes, int]]) -> None:
    try:
        with redis.pipeline(transaction=False) as pipeline:
            for key, (value, seconds) in values.items():
                pipeline.set(key, value, ex=seconds)
            pipeline.execute()
    except RedisError:
        # The hint in a Redis that comes back has expired by then, or does so within HINT_SECONDS.
        pass
