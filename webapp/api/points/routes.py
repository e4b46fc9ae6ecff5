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
from webapp.api.common import document_export, keyed_blueprint
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
    description="Raw values for download",
)

# Of a process's four threads, two may export concurrently; the others stay free for other requests.
MOST_EXPORTS = 2
_exports = BoundedSemaphore(MOST_EXPORTS)

EXAMPLE = ("2026-11-24T12:00:00.000000+00:00", 4711, "GPT-4o", "simulation", "default", "ttft", "s", 1.07)
EXAMPLES: dict[str, tuple[Any, object]] = {
    "text/csv": ({"type": "string"}, (FORMATS["csv"].head + FORMATS["csv"].encode([EXAMPLE])).decode()),
    "application/x-ndjson": (PointSchema, dict(zip(COLUMNS, EXAMPLE, strict=True))),
}


@blueprint.get("")
@filters(blueprint, PointsQuery)
@document_export(blueprint, EXAMPLES, errors={503: "Database unreachable, or too many concurrent exports"})
def export_points(query: dict[str, Any]) -> Response:
    """Export the raw points of a window.

    Returns CSV with a header, or one JSON object per line, ordered by day and, within a day, as stored;
    `value` is in the metric's `unit`. Omits the values of runs that the rankings do not show yet, and values
    older than RETENTION_DAYS. An export that fails halfway ends without HTTP's final chunk, so that clients
    notice that it is incomplete. The server stops an export after 30 minutes.
    """
    with ExitStack() as stack:
        stack.enter_context(_slot())
        conn = stack.enter_context(export.snapshot(current_app.extensions["settings"]))
        response = _response(conn, query)
        response.call_on_close(stack.pop_all().close)
    return response


@contextmanager
def _slot() -> Iterator[None]:
    if not _exports.acquire(blocking=False):
        raise ServiceUnavailable(
            "Too many concurrent exports; try again in a moment", retry_after=RETRY_SECONDS
        )
    try:
        yield
    finally:
        _exports.release()


def _response(conn: Connection, query: dict[str, Any]) -> Response:
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
    """Return the generation, and the window's end if that moves with the clock."""
    return f"g{generation}-{query['until']:%Y%m%dT%H%M}" if query["ends_now"] else f"g{generation}"


def _selection(conn: Connection, query: dict[str, Any]) -> Selection:
    return Selection(
        since=query["since"],
        until=query["until"],
        source=query["source"],
        scenario_id=scenario_id(conn, query["scenario"], query["source"]),
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        metric_name=query["metric"],
    )


def _body(conn: Connection, kind: Format, selection: Selection) -> Iterator[bytes]:
    """Return the encoded chunks; the first is read now, so that its failure is answered as an error."""
    chunks = export.chunks(conn, selection)
    first = kind.encode(next(chunks, []))
    return chain([kind.head + first], map(kind.encode, chunks))


def _file_name(query: dict[str, Any]) -> str:
    since, until = (f"{query[name].astimezone(UTC):%Y%m%dT%H%M%SZ}" for name in ("since", "until"))
    return f"points-{since}-{until}.{query['format']}"
