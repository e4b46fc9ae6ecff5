"""Settings of one transaction: those of a session would reach others' transactions through a pooler."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import sql
from psycopg2.errors import LockNotAvailable, QueryCanceled

from webapp.store import Connection


def limit_lock_waits(conn: Connection, seconds: float) -> None:
    """Raise psycopg2.errors.LockNotAvailable where this transaction waits longer than that for a lock."""
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = %s", (f"{max(1, round(seconds * 1000))}ms",))


@contextmanager
def savepoint(conn: Connection) -> Iterator[None]:
    """Undo what the block has written, and nothing else of this transaction, if it raises."""
    with conn.cursor() as cursor:
        cursor.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        with conn.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT part")
        raise
    with conn.cursor() as cursor:
        cursor.execute("RELEASE SAVEPOINT part")


def is_read_only(conn: Connection) -> bool:
    """Return whether transactions may only read, as on a standby."""
    with conn.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return cursor.fetchone()[0] == "on"


def notice_dead_client(conn: Connection) -> None:
    """Let the server end this transaction, and free its locks, within a second of this process's death.

    By default, a statement that waits for a lock is only given up once it has been granted.
    """
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL client_connection_check_interval = '1s'")


def limit_idleness(conn: Connection, seconds: float) -> None:
    """Let the server end this session, and free its locks, when the transaction is idle for longer than that.

    By default, it does not notice for hours that a client's machine has vanished.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "SET LOCAL idle_in_transaction_session_timeout = %s", (f"{max(1, round(seconds * 1000))}ms",)
        )


def execute_within(cursor: Any, seconds: float, statement: sql.Composable) -> None:
    """Execute a statement on a connection in autocommit mode with the limit of `limit_lock_waits`."""
    limit = sql.Literal(f"{seconds * 1000:.0f}ms")
    cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}; {}").format(limit, statement))


@contextmanager
def cancelled_after(conn: Connection, seconds: float) -> Iterator[None]:
    """Cancel the block's statement after that time, and raise psycopg2.errors.LockNotAvailable.

    For a statement that can run in no transaction, and therefore under no setting of one.
    """
    timer = threading.Timer(seconds, conn.cancel)
    timer.start()
    try:
        yield
    except QueryCanceled as error:
        raise LockNotAvailable(f"cancelled after {seconds:g} s") from error
    finally:
        timer.cancel()
        timer.join()
