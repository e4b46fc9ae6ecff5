"""GET /badges/<llm>/<metric>.svg."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, current_app, request
from marshmallow import Schema

from llm_measure.metrics import METRICS
from webapp.auth import HEADER
from webapp.cache import answers
from webapp.headers import HEADERS
from webapp.page.access import require_reader_or_key
from webapp.page.badges import values
from webapp.page.badges.drawing import Badge, svg
from webapp.page.opening import OpenSeries
from webapp.page.version import version
from webapp.page.views import at_present, query_arguments
from webapp.queries import LONGEST_NAME, SOURCES, RegionFilter, answer_name, name_filter, one_of
from webapp.store import Connection
from webapp.windows import WINDOWS_BY_NAME

SVG = "image/svg+xml; charset=utf-8"
POLICY = "default-src 'none'; frame-ancestors 'none'"

badges = Blueprint("badges", __name__)

Read = Callable[[Connection, str, dict[str, Any]], Badge | None]


class MetricQuery(OpenSeries):
    """The query string of a metric's badge."""

    window = one_of(tuple(WINDOWS_BY_NAME), "24h", "How far back")
    statistic = one_of(values.STATISTICS, "mean", "Statistic of all values in the window")


class RunsQuery(RegionFilter):
    """The query string of a badge that counts runs."""

    source = one_of(SOURCES, None, "Source of the runs; what is measured by default")
    scenario = name_filter("Scenario; all together by default", "chat@c8")


# What may be asked, and what reads it, by the name of the badge if that is not a metric's.
OTHERS: dict[str, tuple[type[Schema], Read]] = {
    "availability": (RunsQuery, values.of_availability),
    "status": (RunsQuery, values.of_status),
}


@badges.before_request
def require_reader() -> None:
    """Admit the readers of the page, and programs with an API key; Unauthorized or Forbidden for others."""
    require_reader_or_key()


@badges.after_request
def set_headers(response: Response) -> Response:
    """Let other sites show a public badge, and proxies keep it if they ask for a newer one each time."""
    public = current_app.extensions["settings"].public_dashboard
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = POLICY
    if public:
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Cache-Control"] = "public, no-cache"
    else:
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = f"Cookie, {HEADER}"
    return response


@badges.get("/badges/<path:llm_name>/<name>.svg")
def show(llm_name: str, name: str) -> Response:
    """Return the badge; for an unknown name, one that says so, with status 404.

    It is built once per generation and every PRESENT_SECONDS. The ETag is that of the image, since most
    generations change none.
    """
    asked = _asked(name)
    if asked is None:
        return _unknown("metric")
    schema, read = asked
    image = _image(llm_name, name, query_arguments(schema), read)
    if not image:
        return _unknown("LLM")
    response = Response(image, content_type=SVG)
    response.add_etag()
    response.make_conditional(request)
    return response


def _asked(name: str) -> tuple[type[Schema], Read] | None:
    """Return the schema of the query string, and what reads the badge; None for an unknown name."""
    if name in METRICS:
        return MetricQuery, partial(values.of_metric, METRICS[name])
    return OTHERS.get(name)


def _image(llm_name: str, name: str, query: dict[str, Any], read: Read) -> bytes:
    """Return the badge as SVG; empty if the LLM is unknown, which is kept like a badge."""

    def build(conn: Connection) -> bytes:
        badge = read(conn, llm_name, query)
        return svg(badge).encode() if badge else b""

    if len(llm_name) > LONGEST_NAME or "\0" in llm_name:
        return b""
    cached = answer_name(f"badge/{version()}", at_present({**query, "badge": name, "llm": llm_name}))
    return answers().read(cached, build)[1]


def _unknown(what: str) -> Response:
    return Response(svg(Badge("LLM Benchmark", f"unknown {what}", "grey")), 404, content_type=SVG)
