"""GET /api/v1/benchmarks/points."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC
from itertools import chain
from threading import BoundedSemaphore
from typing import Any

from flask import Response, current_app, request
from werkzeug.exceptions import ServiceUnavailable

from webapp.api.arguments import filters
from webapp.api.common import keyed_blueprint, streamed_answer
from webapp.api.points.formats import FORMATS, Format
from webapp.api.points.schemas import PointSchema, PointsQuery
from webapp.errors import RETRY_SECONDS
from webapp.queries import llm_id, scenario_id
from webapp.store import Connection, export, views
from webapp.store.export import COLUMNS, Selection

blueprint = keyed_blueprint(
    "points",
    __name__,
    url_prefix="/api/v1/benchmarks/points",
    description="Raw values to take away",
)

# Of a process's four threads, so many may export at once: the others are for everyone else.
MOST_AT_ONCE = 2
_turns = BoundedSemaphore(MOST_AT_ONCE)

EXAMPLE = ("2026-11-24T12:00:00.000000+00:00", 4711, "GPT-4o", "simulation", "default", "ttft", "s", 1.07)
EXAMPLES: dict[str, tuple[Any, object]] = {
    "text/csv": ({"type": "string"}, (FORMATS["csv"].head + FORMATS["csv"].encode([EXAMPLE])).decode()),
    "application/x-ndjson": (PointSchema, dict(zip(COLUMNS, EXAMPLE, strict=True))),
}


@blueprint.get("")
@filters(blueprint, PointsQuery)
@streamed_answer(blueprint, EXAMPLES, errors={503: "The database is away, or too many exports are under way"})
def export_points(query: dict[str, Any]) -> Response:
    """The raw points of a window.

    As CSV with a header, or as one JSON object a line; `value` is in the metric's `unit`. By day, and within
    a day as stored. Values of runs that the rankings do not show yet are left out, as are those that are
    older than RETENTION_DAYS. An export that fails on its way ends without HTTP's last chunk, so that no
    client takes it for whole; the server ends one that takes longer than 30 minutes.
    """
    with ExitStack() as stack:
        stack.enter_context(_turn())
        conn = stack.enter_context(export.snapshot(current_app.extensions["settings"]))
        response = _answer(conn, query)
        response.call_on_close(stack.pop_all().close)
    return response


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(blocking=False):
        raise ServiceUnavailable("too many exports are under way; try again soon", retry_after=RETRY_SECONDS)
    try:
        yield
    finally:
        _turns.release()


def _answer(conn: Connection, query: dict[str, Any]) -> Response:
    etag = _etag(views.generation(conn), query)
    kind = FORMATS[query["format"]]
    held = request.if_none_match.contains_weak(etag)
    body = None if held else _body(conn, kind, _selection(conn, query))
    response = Response(body, 304 if held else 200, content_type=kind.content_type)
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "x-api-key"
    if not held:
        response.headers["Content-Disposition"] = f"attachment; filename={_file_name(query)}"
    return response


def _etag(generation: int, query: dict[str, Any]) -> str:
    """The generation, and the window's end if that moves with the clock."""
    return f"g{generation}-{query['until']:%Y%m%dT%H%M}" if query["ends_now"] else f"g{generation}"


def _selection(conn: Connection, query: dict[str, Any]) -> Selection:
    return Selection(
        since=query["since"],
        until=query["until"],
        source=query["source"],
        scenario_id=scenario_id(conn, query["scenario"]),
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        metric_name=query["metric"],
    )


def _body(conn: Connection, kind: Format, selection: Selection) -> Iterator[bytes]:
    """The encoded chunks; the first is made at once, so that what fails by then is answered as an error."""
    chunks = export.chunks(conn, selection)
    first = kind.encode(next(chunks, []))
    return chain([kind.head + first], map(kind.encode, chunks))


def _file_name(query: dict[str, Any]) -> str:
    since, until = (f"{query[name].astimezone(UTC):%Y%m%dT%H%M%SZ}" for name in ("since", "until"))
    return f"points-{since}-{until}.{query['format']}"
