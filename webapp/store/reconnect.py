"""Connections and writes that are tried again, for a bounded time, while the server cannot serve them."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import psycopg2

from webapp.settings import Settings
from webapp.store import JOB, Connection, connect

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Faults that may have passed at the next try: the server is unreachable, restarts, has no connection free, or
# is still read-only after a failover; the connection was ended; a lock was not granted in time.
PASSING = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.ReadOnlySqlTransaction)
CONNECT_SECONDS = 30
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0


def connect_patiently(
    settings: Settings, application_name: str = JOB, seconds: float = CONNECT_SECONDS
) -> Connection:
    """Open a connection for a job, which waits for its turn if the server or its pooler has none free.

    Also waits while the server is unreachable. Raises psycopg2.OperationalError once `seconds` have passed.
    """
    return _repeated(lambda: connect(settings, application_name), seconds)


def reconnecting(settings: Settings, write: Callable[[Connection], T], seconds: float) -> T:
    """Return what `write` returns when it is called with a new connection, which is closed afterwards.

    If it fails because of the connection or its server, it is called again, with growing pauses, until
    `seconds` have passed; then the last psycopg2.Error is raised. A commit whose answer was lost may have
    happened, so `write` must be able to run twice.
    """

    def attempt() -> T:
        with closing(connect(settings)) as conn:
            return write(conn)

    return _repeated(attempt, seconds)


def _repeated(attempt: Callable[[], T], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return attempt()
        except PASSING as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            logger.warning("database: %s; trying again for %.0f s", str(error).strip(), left)
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
