"""The generation's copy in Redis: a hint that saves readers a query, and is missing rather than outdated.

PostgreSQL has the true generation. The hint is a lease: only a reader who has just asked PostgreSQL sets it,
and it expires within seconds. The protocol that keeps it from being outdated:

- A reader claims the empty key (`claim`) before it asks PostgreSQL, and sets the number (`settle`) only if
  the key still holds its claim, which expires after CLAIM_SECONDS, and PostgreSQL announces no change.
- Whoever changes what readers see (`change`) first commits the announcement in PostgreSQL, so that no reader
  sets the hint any more. Then it revokes the hint and every claim, which Redis does in one step. If Redis
  cannot be reached, it waits until both have expired everywhere, since readers may still reach Redis.
- Changes need no lock outside a transaction, which a pooler would break. They may be announced concurrently,
  and the row of the generation lets one of them at a time raise it. That ends every announcement, so a change
  whose announcement was for an older generation is announced again. One that fails raises it, too: else a
  change that was announced before could not find out that readers have set the hint meanwhile.
- A process relies on a hint for PROCESS_SECONDS before it looks again. So at least that time passes between a
  revocation and the commit of its change.
- Nothing that arrives late does harm: a revocation only removes a hint, its withdrawal only removes that same
  revocation, and the last known generation only rises.
- A Redis that has lost its latest data, for example because it was restored from a snapshot, may present a
  revoked hint. Its restart ends all connections, and the hint is not trusted on a new connection before it
  would have expired (`LEASE_SECONDS`, see `webapp.cache`).

A process that dies during a change leaves its announcement, and readers ask PostgreSQL until the next change
has been committed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, cast
from uuid import uuid4

import psycopg2
from psycopg2.errors import LockNotAvailable
from redis import Redis, RedisError

from webapp.store import Connection, views

# The cache's prefix, so that Flask-Caching reads the hint and a response in one round trip.
KEY_PREFIX = "llm-benchmark:answer:"
HINT_NAME = "generation"
HINT = KEY_PREFIX + HINT_NAME
LAST_KNOWN = KEY_PREFIX + "last-known-generation"

# How long a change waits for others.
WAIT_SECONDS = 30
# How long a reader may take from its claim to its settlement.
CLAIM_SECONDS = 1
HINT_SECONDS = 2
# After this, no hint is left of those that a reader set, or was about to set, before an announcement. Redis
# and this machine may measure seconds a little differently.
LEASE_SECONDS = CLAIM_SECONDS + HINT_SECONDS + 0.5
# How long a process relies on a hint, counted from when it began to read it. A refresh takes longer anyway.
PROCESS_SECONDS = 0.02
RETRY_SECONDS = 0.1
LAST_KNOWN_SECONDS = 7 * 24 * 3600
# The generation is in microseconds since 1970, which have fewer digits for the next 30,000 years.
MOST_DIGITS = 18

# Keys: the hint, the last known generation. Arguments: what the hint must hold to be replaced, the generation
# to replace it with, the hint's lifetime in seconds (0: delete it), that of the last known generation.
SETTLE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    if ARGV[3] == '0' then
        redis.call('DEL', KEYS[1])
    else
        redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    end
end
if tonumber(ARGV[2]) >= (tonumber(redis.call('GET', KEYS[2]) or 0) or 0) then
    redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
end
"""


class Turn(NamedTuple):
    """An announced change whose transaction has raised the generation."""

    generation: int
    revocation: str
    earliest_commit: float


@contextmanager
def change(
    conn: Connection,
    redis: Redis,
    wait_s: float = WAIT_SECONDS,
    is_needed: Callable[[], bool] = lambda: True,
) -> Iterator[int]:
    """Change what readers see in the block, and commit; no reader is served an older generation afterwards.

    Yields the new generation, raised in the block's transaction; other changes wait for its end, so what the
    block reads of them holds. The caller has no transaction open. If the block raises, its transaction is
    rolled back. `is_needed` is called before each announcement: once it returns False, yields 0, and the
    block must do nothing. Raises psycopg2.errors.LockNotAvailable if other changes take longer than `wait_s`.
    """
    turn = _take_turn(conn, redis, wait_s, is_needed)
    if turn is None:
        yield 0
        return
    committed = 0
    try:
        yield turn.generation
        time.sleep(max(0, turn.earliest_commit - time.monotonic()))
        conn.commit()
        committed = turn.generation
    except BaseException:
        with suppress(psycopg2.Error):  # readers ask PostgreSQL until the next change
            conn.rollback()
            views.raise_generation(conn)
            conn.commit()
        raise
    finally:
        withdraw(redis, turn.revocation, committed)


def _take_turn(conn: Connection, redis: Redis, wait_s: float, is_needed: Callable[[], bool]) -> Turn | None:
    """Announce a change and begin its transaction; None if it is not needed."""
    deadline = time.monotonic() + wait_s
    while is_needed():
        with conn:
            announced = views.announce_change(conn, wait_s)
        revocation = revoke(redis)
        earliest_commit = time.monotonic() + PROCESS_SECONDS
        number = 0
        try:
            number = views.begin_change(conn, announced, wait_s)
        finally:
            if not number:
                withdraw(redis, revocation, 0)
                conn.rollback()
        if number:
            return Turn(number, revocation, earliest_commit)
        if time.monotonic() >= deadline:
            raise LockNotAvailable(f"other changes were committed first for {wait_s:g} s")
    return None


def revoke(redis: Redis) -> str:
    """Revoke the hint and all claims, after a change was announced in PostgreSQL; return the revocation.

    If Redis is unreachable, or refuses to write, waits until they have expired.
    """
    revocation = f"revoked-{uuid4().hex}"
    deadline = time.monotonic() + LEASE_SECONDS
    while time.monotonic() < deadline:
        with suppress(RedisError):
            # No claim from before the announcement is settled once it has expired.
            redis.set(HINT, revocation, ex=CLAIM_SECONDS)
            break
        time.sleep(RETRY_SECONDS)
    return revocation


def withdraw(redis: Redis, revocation: str, committed: int) -> None:
    """Let readers claim the hint again, unless another change has revoked it since.

    `committed` is the generation that the change has committed, 0 if it has failed.
    """
    with suppress(RedisError):  # the revocation expires
        _settle(redis, revocation, committed, 0)


def claim(redis: Redis) -> str | None:
    """Claim the empty hint for a reader that is about to ask PostgreSQL; return None if it is not empty."""
    mine = f"claimed-{uuid4().hex}"
    return mine if redis.set(HINT, mine, ex=CLAIM_SECONDS, nx=True) else None


def settle(redis: Redis, mine: str | None, generation: int) -> None:
    """Set the hint to what a reader has read from PostgreSQL, if the hint still holds the reader's claim."""
    _settle(redis, mine or "unclaimed", generation, HINT_SECONDS)


def last_known(redis: Redis) -> int | None:
    """Return the newest generation that Redis knows, for use while PostgreSQL is unreachable."""
    return parse(cast("bytes | None", redis.get(LAST_KNOWN)))


def parse(raw: bytes | None) -> int | None:
    """Return the generation in a hint; None if it holds no valid number."""
    return int(raw) if raw and raw.isdigit() and len(raw) <= MOST_DIGITS else None


def _settle(redis: Redis, held: str, generation: int, seconds: int) -> None:
    redis.eval(SETTLE, 2, HINT, LAST_KNOWN, held, str(generation), seconds, LAST_KNOWN_SECONDS)
