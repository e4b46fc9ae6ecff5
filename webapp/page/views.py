"""Requests and responses that all views share: arguments, caching, and the frame around a view."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flask import Response, render_template, request, url_for
from markupsafe import Markup
from marshmallow import RAISE, Schema, ValidationError
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.http import generate_etag

from llm_measure.metrics import METRICS, Metric
from webapp.cache import answers, etag
from webapp.page.access import is_signed_in
from webapp.page.version import version
from webapp.queries import answer_name, metrics_in, refuse_repeated_arguments
from webapp.scenarios import split
from webapp.store import Connection, catalogue

HTML = "text/html; charset=utf-8"
HEADING = re.compile("<h1>([^<]*)</h1>")
# Left out of addresses. Source and scenario are not, since their defaults depend on what is measured.
DEFAULTS = {"order": "best", "rows": "first", "limit": 50}
# How long views of what is now, such as a status, are shown while nothing new comes.
PRESENT_SECONDS = 600


def query_arguments(schema: type[Schema], but: tuple[str, ...] = ()) -> dict[str, Any]:
    """Load the query string, except for the arguments `but`; UnprocessableEntity if `schema` refuses it.

    A form whose fields are empty sends them nevertheless, unless a script keeps them out.
    """
    refuse_repeated_arguments(but)
    arguments = {name: value for name, value in request.args.items() if value and name not in but}
    try:
        return schema().load(arguments, unknown=RAISE)
    except ValidationError as error:
        name, messages = next(iter(error.normalized_messages().items()))
        raise UnprocessableEntity(f"{name}: {messages[0]}") from None


def respond_cached(  # noqa: PLR0913, PLR0917  (each is a part of the response)
    view: str,
    query: dict[str, Any],
    build: Callable[[Connection], str],
    title: str | None,
    live: bool,
    if_empty: Callable[[], str],
) -> Response | str:
    """Return the view, built once per generation: alone with its ETag if `live`, else in the frame.

    If `build` returns an empty text, return what `if_empty` returns, uncached. Without a `title`, the
    frame has the view's heading.
    """
    name = cache_name(view, query)

    def encoded(conn: Connection) -> bytes:
        return build(conn).encode()

    if not live:
        number, body = answers().read(name, encoded)
        return framed(body.decode(), title, etag(number)) if body else respond_fresh(if_empty(), title, live)
    response = answers().respond(name, encoded, HTML)
    if response.status_code == 200 and not response.get_data():
        return respond_fresh(if_empty(), title, live)
    return response


def cache_name(view: str, query: dict[str, Any]) -> str:
    """Return the name under which this release caches the view for visitors, or for the signed-in.

    Servers with different prefixes may share a cache, and each view holds links.
    """
    audience = "signed-in" if is_signed_in() else "public"
    return answer_name(f"page/{version()}/{audience}{request.script_root}/{view}", query)


def respond_fresh(html: str, title: str | None, live: bool) -> Response | str:
    """Return a view that is never cached: alone with an ETag of its text if `live`, else in the frame."""
    own_etag = generate_etag(html.encode())
    if not live:
        return framed(html, title, own_etag)
    response = Response(html, content_type=HTML)
    response.set_etag(own_etag)
    response.make_conditional(request)
    return response


def respond_present(
    view: str, query: dict[str, Any], build: Callable[[Connection], str], title: str | None, live: bool
) -> Response | str:
    """Return a view that depends on the time, built again for each generation and every PRESENT_SECONDS."""
    _, body = answers().read(cache_name(view, at_present(query)), lambda conn: build(conn).encode())
    return respond_fresh(body.decode(), title, live)


def at_present(query: dict[str, Any]) -> dict[str, Any]:
    """Return the query with the present time, which changes every PRESENT_SECONDS, to be part of a name."""
    return {**query, "time": int(time.time() // PRESENT_SECONDS)}


def framed(html: str, title: str | None, etag: str) -> str:
    """Return the whole page around a view; the page polls with the ETag."""
    view = Markup(html)  # noqa: S704  (rendered from our templates)
    heading = HEADING.search(html)
    if title is None and heading:
        title = Markup(heading[1])  # noqa: S704  (part of the view)
    return render_template("page/frame.html", view=view, title=title, etag=f'"{etag}"')


def address(endpoint: str, query: dict[str, Any], **changes: Any) -> str:
    """Return a view's address for the query with these changes, without defaults and without None."""
    arguments = {**query, **changes}
    return url_for(
        endpoint,
        **{name: value for name, value in arguments.items() if value not in (None, DEFAULTS.get(name))},
    )


def live_address() -> str:
    """Return the address at which this view is polled, without its query string."""
    arguments = {name: value for name, value in (request.view_args or {}).items() if name != "live"}
    return url_for(str(request.endpoint).replace("page.", "page.live_"), **arguments)


def scenarios_of(conn: Connection, source: str, chosen: str) -> list[str]:
    """Return the scenarios of the source's runs, and the chosen one."""
    names = catalogue.scenario_names(conn, source)
    return names if chosen in names else [chosen, *names]


class Choices(NamedTuple):
    """What the selectors of scenario and region offer."""

    scenarios: list[str]  # without their regions
    regions: list[str | None]  # of the chosen scenario, or of all; empty if there are none at all


def choices(names: Sequence[str], chosen: str | None) -> Choices:
    """Return what can be chosen among these scenarios, next to the chosen one."""
    parts = [split(name) for name in names]
    local = split(chosen).local if chosen else None
    regions = dict.fromkeys(part.region for part in parts if local in (None, part.local))
    is_regional = any(part.region for part in parts)
    return Choices(
        list(dict.fromkeys(part.local for part in parts)),
        sorted(regions, key=lambda region: region or "") if is_regional else [],
    )


def metrics_of(conn: Connection, query: dict[str, Any]) -> list[Metric]:
    """Return the metrics that the query's source and scenario can have values of."""
    if query["source"] == "simulation":
        return list(METRICS.simulated)
    return list(metrics_in(conn, query["scenario"]))
