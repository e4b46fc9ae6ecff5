"""Writes that outlive a lost connection: repeated on new connections, for a bounded time."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import psycopg2

from webapp.settings import Settings
from webapp.store import Connection, connect

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Faults that may have passed at the next try: the server is unreachable, restarts, or is still read-only
# after a failover; the connection was ended; a lock was not granted in time.
PASSING = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.ReadOnlySqlTransaction)
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0


def reconnecting(settings: Settings, write: Callable[[Connection], T], seconds: float) -> T:
    """Return what `write` returns when it is called with a new connection, which is closed afterwards.

    If it fails because of the connection or its server, it is called again, with growing pauses, until
    `seconds` have passed; then the last psycopg2.Error is raised. A commit whose answer was lost may have
    happened, so `write` must be able to run twice.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            with closing(connect(settings)) as conn:
                return write(conn)
        except PASSING as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            logger.warning("database: %s; trying again for %.0f s", str(error).strip(), left)
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
