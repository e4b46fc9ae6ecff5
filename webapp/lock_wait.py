"""What a migration waits for: the lock that it was not granted in time, and who holds it."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg2
from psycopg2.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from webapp.settings import Settings
from webapp.store import connect

# Longer than the server's deadlock_timeout of 1 s, after which autovacuum gives way to whom it blocks.
LOCK_TIMEOUT_MS = 1500
POLL_SECONDS = 0.2
# Begins the message that is logged before each further attempt.
WAITING = "migration waits"
# Every role may see the names of other roles' sessions. The process of a prepared transaction is 0.
AWAITED = """
SELECT
    coalesce(relation::regclass::text, CASE locktype WHEN 'transactionid' THEN 'a row' ELSE locktype END),
    string_agg(
        CASE holder
            WHEN 0 THEN 'a prepared transaction'
            ELSE concat_ws(' of ', nullif(application_name, ''), usename) || ' (' || holder || ')'
        END,
        ', '
    )
FROM pg_locks
CROSS JOIN LATERAL unnest(pg_blocking_pids(pg_locks.pid)) AS holders (holder)
LEFT JOIN pg_stat_activity ON pg_stat_activity.pid = holder
WHERE pg_locks.pid = %s AND NOT granted
GROUP BY 1
"""


class LockHeldError(SQLAlchemyError):
    """A lock was not granted in time; the message names the relation and who holds it."""


@contextmanager
def naming_locks(settings: Settings, pid: int) -> Iterator[None]:
    """Raise LockHeldError if a statement of the server process `pid` in the block is not granted a lock.

    The process no longer waits when its statement has failed, so a second connection looks meanwhile.
    """
    seen: list[str] = []
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(settings, pid, seen, ended), daemon=True)
    watch.start()
    try:
        yield
    except (DBAPIError, psycopg2.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, LockNotAvailable | DeadlockDetected):
            raise
        raise LockHeldError(seen[-1] if seen else "a relation is locked") from error
    finally:
        ended.set()
        watch.join()


def _watch(settings: Settings, pid: int, seen: list[str], ended: threading.Event) -> None:
    """Append what the server process waits for, as long as it does; without a connection, nothing."""
    with suppress(psycopg2.Error), closing(connect(settings, "llm-benchmark migration")) as conn:
        conn.autocommit = True
        with conn.cursor() as cursor:
            while not ended.wait(POLL_SECONDS):
                cursor.execute(AWAITED, (pid,))
                seen += [f"{relation} is locked by {holders}" for relation, holders in cursor.fetchall()]
