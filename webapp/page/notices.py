"""What fails, shown on every page: the refresh of the views, the benchmark file, and regions without workers.

Views are cached, so they cannot show it.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import psycopg2
from flask import Flask, Response, current_app
from redis import RedisError

from webapp.cache import snapshot
from webapp.errors import DATABASE_UNREACHABLE
from webapp.page.text import utc
from webapp.plan.shared import reported
from webapp.queue.workers import unserved_regions
from webapp.store.unshown import failing_since

HEADER = "X-Notices"
# How long a process relies on what it has read, so that open pages cost it no query each.
RELIED_SECONDS = 5.0


class Notice:
    """What one process knows of something that may fail.

    One thread at a time asks, so that a server that hangs holds no other thread of the page.
    """

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._text: str | None = None

    def text(self) -> str | None:
        """Return what fails; None if it works, or nobody can say."""
        if time.monotonic() - self._asked_at >= RELIED_SECONDS and self._asking.acquire(blocking=False):
            try:
                self._text = self._ask()
            finally:
                self._asked_at = time.monotonic()
                self._asking.release()
        return self._text


def register_notices(app: Flask) -> None:
    """Give templates the notices."""
    app.extensions["notices"] = [Notice(ask) for ask in (_refresh, _benchmark_file, _regions)]
    app.jinja_env.globals.update(notices=_texts)


def add_header(response: Response) -> Response:
    """Add the notices, as a list in JSON, for the script that merges new results in."""
    if texts := _texts():
        response.headers[HEADER] = json.dumps(texts)
    return response


def _texts() -> list[str]:
    return [text for notice in current_app.extensions["notices"] if (text := notice.text())]


def _refresh() -> str | None:
    with suppress(psycopg2.Error, *DATABASE_UNREACHABLE), snapshot() as conn:
        if since := failing_since(conn):
            return f"Refresh failing: runs that ended since {utc(since)} are not shown yet."
    return None


def _benchmark_file() -> str | None:
    report = reported(current_app.extensions["redis"])
    if not report:
        return None
    since = utc(datetime.fromtimestamp(report.since, UTC))
    return (
        f"Benchmark file faulty since {since}: the previous plan is used. The scheduler's log has the faults."
    )


def _regions() -> str | None:
    extensions = current_app.extensions
    with suppress(RedisError):
        match unserved_regions(extensions["redis"], extensions["plan"].measurements()):
            case [region]:
                return f"No worker serves region {region}: its runs wait. Start one with REGION={region}."
            case [region, *_] as regions:
                wait = f"No worker serves regions {', '.join(regions)}: their runs wait."
                return f"{wait} Start one for each, as with REGION={region}."
    return None
