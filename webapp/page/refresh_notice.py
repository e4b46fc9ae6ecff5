"""Whether the refresh of the views fails, shown on every page; views are cached, so they cannot show it."""

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

from flask import Response, current_app

from webapp.cache import snapshot
from webapp.errors import DATABASE_UNREACHABLE
from webapp.store.unshown import failing_since

HEADER = "X-Refresh-Failing-Since"
# How long a process relies on what it has read, so that open pages cost it no query each.
RELIED_SECONDS = 5.0


class RefreshNotice:
    """Since when the refresh has been failing, as one process knows it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._since: datetime | None = None

    def since(self) -> datetime | None:
        """Return since when; None if it works, or the database is unreachable."""
        with self._lock:
            if time.monotonic() - self._read_at >= RELIED_SECONDS:
                self._read_at, self._since = time.monotonic(), None
                with suppress(*DATABASE_UNREACHABLE), snapshot() as conn:
                    self._since = failing_since(conn)
            return self._since


def refresh_failing_since() -> datetime | None:
    """Return since when the refresh of the views has been failing; None if it works."""
    notice: RefreshNotice = current_app.extensions["refresh_notice"]
    return notice.since()


def add_header(response: Response) -> Response:
    """Add since when the refresh has been failing, for the script that merges new results in."""
    if since := refresh_failing_since():
        response.headers[HEADER] = since.astimezone(UTC).isoformat(timespec="seconds")
    return response
