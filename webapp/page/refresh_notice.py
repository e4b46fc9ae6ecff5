"""Whether the refresh of the views fails, shown on every page; views are cached, so they cannot show it."""

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

import psycopg2
from flask import Response, current_app

from webapp.cache import snapshot
from webapp.errors import DATABASE_UNREACHABLE
from webapp.store.unshown import failing_since

HEADER = "X-Refresh-Failing-Since"
# How long a process relies on what it has read, so that open pages cost it no query each.
RELIED_SECONDS = 5.0


class RefreshNotice:
    """Since when the refresh has been failing, as one process knows it.

    One thread at a time asks PostgreSQL, so that a server that hangs holds no other thread of the page.
    """

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._since: datetime | None = None

    def since(self) -> datetime | None:
        """Return since when; None if it works, or the database cannot say."""
        if time.monotonic() - self._asked_at >= RELIED_SECONDS and self._asking.acquire(blocking=False):
            try:
                self._since = _ask()
            finally:
                self._asked_at = time.monotonic()
                self._asking.release()
        return self._since


def _ask() -> datetime | None:
    with suppress(psycopg2.Error, *DATABASE_UNREACHABLE), snapshot() as conn:
        return failing_since(conn)
    return None


def refresh_failing_since() -> datetime | None:
    """Return since when the refresh of the views has been failing; None if it works."""
    notice: RefreshNotice = current_app.extensions["refresh_notice"]
    return notice.since()


def add_header(response: Response) -> Response:
    """Add since when the refresh has been failing, for the script that merges new results in."""
    if since := refresh_failing_since():
        response.headers[HEADER] = since.astimezone(UTC).isoformat(timespec="seconds")
    return response
