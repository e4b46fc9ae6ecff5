"""Middleware around every request: assigns it an id and counts its response."""

import re
from collections.abc import Iterable
from random import getrandbits
from time import perf_counter_ns
from typing import Any

from flask import Flask

from webapp.logs import bind
from webapp.monitoring.counts import Counts

REQUEST_ID_HEADER = "X-Request-ID"
# The ids that a client or proxy may send; any other is replaced.
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

UNMATCHED = "unmatched"
OTHER = "other"
# Third-party pages, with their assets, count as one route each.
BUNDLES = {"rq_dashboard": "/rq", "swagger_ui": "/docs"}


class Observer:
    """WSGI middleware; times the app until the response headers, not while a body streams."""

    def __init__(self, app: Flask):
        self._wsgi_app = app.wsgi_app
        series = _known_series(app)
        self.counts = Counts(sorted({name for names in series.values() for name in names.values()}))
        self._offsets = {
            endpoint: {method: self.counts.offset(name) for method, name in names.items()}
            for endpoint, names in series.items()
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve the request."""
        start = perf_counter_ns()
        given = environ.get("HTTP_X_REQUEST_ID")
        request_id = given if given and REQUEST_ID.fullmatch(given) else f"{getrandbits(64):016x}"
        bind({"request_id": request_id})
        # Whole files are sent by the kernel; parts of them would be read and copied in small pieces.
        environ.pop("HTTP_RANGE", None)

        def start_with_id(line: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            # Flask has matched the route by now, and still holds the request.
            rule = environ["werkzeug.request"].url_rule
            endpoint = rule.endpoint if rule is not None else UNMATCHED
            offsets = self._offsets.get(endpoint) or self._offsets[UNMATCHED]
            offset = offsets.get(environ["REQUEST_METHOD"], offsets[OTHER])
            self.counts.responded(offset, line[:3], perf_counter_ns() - start)
            headers.append((REQUEST_ID_HEADER, request_id))
            return start_response(line, headers, *error)

        return self._wsgi_app(environ, start_with_id)


def observe(app: Flask) -> Counts:
    """Wrap the app in an Observer of the routes registered so far; return its counts."""
    observer = Observer(app)
    app.wsgi_app = observer  # type: ignore[method-assign]
    return observer.counts


def _known_series(app: Flask) -> dict[str, dict[str, tuple[str, str]]]:
    """Return endpoint -> method -> (method, route): every label that can ever occur."""
    series = {UNMATCHED: {OTHER: (OTHER, UNMATCHED)}}
    for rule in app.url_map.iter_rules():
        route = BUNDLES.get(rule.endpoint.split(".")[0], rule.rule)
        methods = (*(rule.methods or ()), OTHER)
        series[rule.endpoint] = {method: (method, route) for method in methods}
    return series
