"""The generation's copy in Redis: a hint that saves readers a query, and is missing rather than outdated.

PostgreSQL has the true generation. Whoever changes what readers see announces the change here before its
commit (`announce`), so that readers ask PostgreSQL from then on, and sets the new number afterwards
(`publish`). A process that dies in between leaves the announcement, which expires. A reader claims the empty
key (`claim`) before it asks PostgreSQL, and sets the number (`settle`) only if the key still holds its claim,
so that no reader, however slow, puts back an older number. The hint expires within seconds, which bounds the
damage of any fault in this protocol.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import uuid4

from redis import Redis, RedisError

from webapp.store import Connection, views

# The cache's prefix, so that Flask-Caching reads the hint and a response in one round trip.
KEY_PREFIX = "llm-benchmark:answer:"
HINT_NAME = "generation"
HINT = KEY_PREFIX + HINT_NAME
LAST_KNOWN = KEY_PREFIX + "last-known-generation"
CHANGING = b"changing"

# How long to wait for the turn to refresh.
WAIT_SECONDS = 30
HINT_SECONDS = 2
RETRY_SECONDS = 0.1
# How long all readers ask PostgreSQL after one has died between claim and settlement.
CLAIM_SECONDS = 2
# Longer than any change takes from its announcement to its commit.
CHANGING_SECONDS = 120
LAST_KNOWN_SECONDS = 7 * 24 * 3600
# The generation starts as microseconds since 1970, which have fewer digits for the next 30,000 years.
MOST_DIGITS = 18

# Keys: the hint, the last known generation. Arguments: claim, generation, the keys' lifetimes in seconds.
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
    """Wait for the turn to refresh and hold it for the block, which begins and ends outside a transaction.

    Raises psycopg2.errors.LockNotAvailable after `wait_s`. If the block raises, the turn ends when the
    connection is closed, as it does when the process dies.
    """
    views.lock_refresh(conn, wait_s)
    conn.commit()
    yield
    views.unlock_refresh(conn)
    conn.commit()


def commit(conn: Connection, redis: Redis, generation: int) -> None:
    """Commit a transaction that has raised the generation, after which no reader is served an older one.

    The caller holds the turn to refresh, see `refresh_turn`.
    """
    announce(redis)
    conn.commit()
    publish(redis, generation)


def announce(redis: Redis) -> None:
    """Make readers ask PostgreSQL from now on.

    If Redis is unreachable, waits until every hint in it has expired, since it may return with its data.
    """
    deadline = time.monotonic() + HINT_SECONDS
    while not _try_set(redis, {HINT: (CHANGING, CHANGING_SECONDS)}) and time.monotonic() < deadline:
        time.sleep(RETRY_SECONDS)


def publish(redis: Redis, generation: int) -> None:
    """Set the hint to the committed generation; the caller holds the turn to refresh."""
    value = str(generation).encode()
    _try_set(redis, {HINT: (value, HINT_SECONDS), LAST_KNOWN: (value, LAST_KNOWN_SECONDS)})


def claim(redis: Redis) -> str | None:
    """Claim the empty hint for a reader that is about to ask PostgreSQL; return None if it is not empty."""
    mine = f"claimed-{uuid4().hex}"
    return mine if redis.set(HINT, mine, ex=CLAIM_SECONDS, nx=True) else None


def settle(redis: Redis, mine: str | None, generation: int) -> None:
    """Set the hint to what a reader has read from PostgreSQL, if the hint still holds the reader's claim."""
    keys = (HINT, LAST_KNOWN)
    redis.eval(
        SETTLE, len(keys), *keys, mine or "unclaimed", str(generation), HINT_SECONDS, LAST_KNOWN_SECONDS
    )


def last_known(redis: Redis) -> int | None:
    """Return the newest generation that Redis knows, for use while PostgreSQL is unreachable."""
    return parse(cast("bytes | None", redis.get(LAST_KNOWN)))


def parse(raw: bytes | None) -> int | None:
    """Return the generation in a hint; None if it holds no valid number."""
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
