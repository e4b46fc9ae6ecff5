"""The generation's copy in Redis: a hint that saves readers a query and errs only on the safe side.

The truth is in PostgreSQL. Whoever changes what readers see says so here before committing (`announce`), so
that from then on readers ask PostgreSQL, and gives the new number afterwards (`publish`). One that dies in
between leaves the announcement, which expires. A reader takes an empty place (`claim`) before it asks
PostgreSQL and fills it (`settle`) only if the place is still its own, so none, however slow, can put back an
older number. The hint itself expires within seconds: that bounds the harm of anything not thought of here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import uuid4

from redis import Redis, RedisError

from webapp.store import Connection, views

# The cache's own prefix, so that Flask-Caching reads the hint in one round trip with an answer.
KEY_PREFIX = "llm-benchmark:answer:"
HINT_NAME = "generation"
HINT = KEY_PREFIX + HINT_NAME
LAST_KNOWN = KEY_PREFIX + "last-known-generation"
CHANGING = b"changing"

# For the turn to refresh.
WAIT_SECONDS = 30
HINT_SECONDS = 2
RETRY_SECONDS = 0.1
# How long other readers ask PostgreSQL when a reader dies after its claim.
CLAIM_SECONDS = 2
# Longer than any change takes from its announcement to its commit.
CHANGING_SECONDS = 120
LAST_KNOWN_SECONDS = 7 * 24 * 3600
# More than the generation, microseconds since 1970 at its start, has for the next 30,000 years.
MOST_DIGITS = 18

# Keys: the hint, the last known generation. Arguments: claim, generation, their lives in seconds.
SETTLE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
if tonumber(ARGV[2]) >= (tonumber(redis.call('GET', KEYS[2]) or 0) or 0) then
    redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
end
"""


@contextmanager
def refresh_turn(conn: Connection, wait_s: float = WAIT_SECONDS) -> Iterator[None]:
    """Wait for the turn to refresh and keep it; with no transaction open at either end.

    Raises psycopg2.errors.LockNotAvailable after `wait_s`. After an exception inside, the turn ends when the
    connection is closed, as it does when the process dies.
    """
    views.lock_refresh(conn, wait_s)
    conn.commit()
    yield
    views.unlock_refresh(conn)
    conn.commit()


def commit(conn: Connection, redis: Redis, generation: int) -> None:
    """Commit a transaction that has raised the generation; from then on nothing older is answered.

    Only for whoever holds the turn to refresh, see `refresh_turn`.
    """
    announce(redis)
    conn.commit()
    publish(redis, generation)


def announce(redis: Redis) -> None:
    """Make readers ask PostgreSQL from now on.

    While Redis is away, waits until a hint that it held would have expired: it may come back with it.
    """
    deadline = time.monotonic() + HINT_SECONDS
    while not _try_set(redis, {HINT: (CHANGING, CHANGING_SECONDS)}) and time.monotonic() < deadline:
        time.sleep(RETRY_SECONDS)


def publish(redis: Redis, generation: int) -> None:
    """Make the committed generation known; only for whoever holds the turn to refresh."""
    value = str(generation).encode()
    _try_set(redis, {HINT: (value, HINT_SECONDS), LAST_KNOWN: (value, LAST_KNOWN_SECONDS)})


def claim(redis: Redis) -> str | None:
    """Take an empty place for a reader that is about to ask PostgreSQL; None if the place is not empty."""
    mine = f"claimed-{uuid4().hex}"
    return mine if redis.set(HINT, mine, ex=CLAIM_SECONDS, nx=True) else None


def settle(redis: Redis, mine: str | None, generation: int) -> None:
    """Note what a reader has read from PostgreSQL since its claim, which nobody may have overruled."""
    keys = (HINT, LAST_KNOWN)
    redis.eval(
        SETTLE, len(keys), *keys, mine or "unclaimed", str(generation), HINT_SECONDS, LAST_KNOWN_SECONDS
    )


def last_known(redis: Redis) -> int | None:
    """The newest generation heard of, for when PostgreSQL is down and so nothing newer can be."""
    return parse(cast("bytes | None", redis.get(LAST_KNOWN)))


def parse(raw: bytes | None) -> int | None:
    """The number in a hint; None when there is none to trust."""
    return int(raw) if raw and raw.isdigit() and len(raw) <= MOST_DIGITS else None


def _try_set(redis: Redis, values: dict[str, tuple[bytes, int]]) -> bool:
    try:
        with redis.pipeline(transaction=False) as pipeline:
            for key, (value, seconds) in values.items():
                pipeline.set(key, value, ex=seconds)
            pipeline.execute()
            return True
    except RedisError:
        return False
