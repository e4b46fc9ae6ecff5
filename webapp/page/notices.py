"""What fails, shown on every page: the refresh of the views, and the benchmark file.

Views are cached, so they cannot show it.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import psycopg2
from flask import Flask, Response, current_app

from webapp.cache import snapshot
from webapp.errors import DATABASE_UNREACHABLE
from webapp.plan.shared import reported
from webapp.store.unshown import failing_since

REFRESH_HEADER = "X-Refresh-Failing-Since"
FILE_HEADER = "X-Benchmark-File-Faulty-Since"
# How long a process relies on what it has read, so that open pages cost it no query each.
RELIED_SECONDS = 5.0


class Notice:
    """Since when something has been failing, as one process knows it.

    One thread at a time asks, so that a server that hangs holds no other thread of the page.
    """

    def __init__(self, ask: Callable[[], datetime | None]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._since: datetime | None = None

    def since(self) -> datetime | None:
        """Return since when; None if it works, or nobody can say."""
        if time.monotonic() - self._asked_at >= RELIED_SECONDS and self._asking.acquire(blocking=False):
            try:
                self._since = self._ask()
            finally:
                self._asked_at = time.monotonic()
                self._asking.release()
        return self._since


def register_notices(app: Flask) -> None:
    """Give templates the notices."""
    app.extensions["notices"] = notices = {
        REFRESH_HEADER: Notice(_ask_database),
        FILE_HEADER: Notice(_ask_redis),
    }
    app.jinja_env.globals.update(
        refresh_failing_since=notices[REFRESH_HEADER].since, file_faulty_since=notices[FILE_HEADER].since
    )


def _ask_database() -> datetime | None:
    with suppress(psycopg2.Error, *DATABASE_UNREACHABLE), snapshot() as conn:
        return failing_since(conn)
    return None


def _ask_redis() -> datetime | None:
    report = reported(current_app.extensions["redis"])
    return datetime.fromtimestamp(report.since, UTC) if report else None


def add_headers(response: Response) -> Response:
    """Add since when what has been failing, for the script that merges new results in."""
    for header, notice in current_app.extensions["notices"].items():
        if since := notice.since():
            response.headers[header] = since.astimezone(UTC).isoformat(timespec="seconds")
    return response
