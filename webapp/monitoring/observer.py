"""What surrounds every request: it gets an id, and its answer is counted."""

import os
import re
import time
from collections.abc import Iterable
from typing import Any

from flask import Flask

from webapp.logs import bind
from webapp.monitoring.counts import Counts

REQUEST_ID_HEADER = "X-Request-ID"
# What a client or proxy may call its request; anything else is replaced.
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

UNMATCHED = "unmatched"
OTHER = "other"
# Pages and assets that others made are one route each.
BUNDLES = {"rq_dashboard": "/rq", "swagger_ui": "/docs", "static": "/static"}


class Observer:
    """WSGI middleware; counts how long the app takes until its answer's head, not how long a body streams."""

    def __init__(self, app: Flask):
        self._wsgi_app = app.wsgi_app
        self._series = _known_series(app)
        self.counts = Counts(sorted(set(self._series.values())))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer the request."""
        start = time.perf_counter_ns()
        request_id = _request_id(environ.get("HTTP_X_REQUEST_ID"))
        bind(request_id=request_id)

        def start_with_id(line: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            # Here Flask has not forgotten yet which route it was.
            series = self._series_of(environ)
            self.counts.answered(series, int(line[:3]), time.perf_counter_ns() - start)
            headers.append((REQUEST_ID_HEADER, request_id))
            return start_response(line, headers, *error)

        return self._wsgi_app(environ, start_with_id)

    def _series_of(self, environ: dict[str, Any]) -> tuple[str, str]:
        method = environ["REQUEST_METHOD"]
        request = environ.get("werkzeug.request")
        rule = getattr(request, "url_rule", None)
        endpoint = rule.endpoint if rule is not None else UNMATCHED
        return self._series.get((method, endpoint)) or self._series[OTHER, endpoint]


def observe(app: Flask) -> None:
    """Put the app behind an Observer; the last step of its making, since all routes must be there."""
    observer = Observer(app)
    app.wsgi_app = observer  # type: ignore[method-assign]
    app.extensions["counts"] = observer.counts


def _known_series(app: Flask) -> dict[tuple[str, str], tuple[str, str]]:
    """(method, endpoint) -> (method, route): all that will ever be labels."""
    series = {(OTHER, UNMATCHED): (OTHER, UNMATCHED)}
    for rule in app.url_map.iter_rules():
        route = BUNDLES.get(rule.endpoint.split(".")[0], rule.rule)
        for method in (*sorted(rule.methods or ()), OTHER):
            series[method, rule.endpoint] = (method, route)
    return series


def _request_id(given: str | None) -> str:
    if given and REQUEST_ID.fullmatch(given):
        return given
    return os.urandom(8).hex()
