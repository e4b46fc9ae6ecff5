"""How a view is asked for and answered, in the page's frame or alone."""

from collections.abc import Callable
from typing import Any

from flask import Response, render_template, request, url_for
from markupsafe import Markup
from marshmallow import RAISE, Schema, ValidationError
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.http import generate_etag

from llm_measure.metrics import METRICS, Metric
from webapp.cache import answers, etag
from webapp.page.version import VERSION
from webapp.queries import answer_name, refuse_repeated_arguments
from webapp.store import Connection, catalogue

HTML = "text/html; charset=utf-8"
# What addresses need not say.
DEFAULTS = {"source": "simulation", "scenario": "default", "order": "best", "rows": "first", "limit": 50}


def asked(schema: type[Schema], but: tuple[str, ...] = ()) -> dict[str, Any]:
    """The query string as `schema` has it, without the arguments `but`; UnprocessableEntity if it has not."""
    refuse_repeated_arguments(but)
    arguments = {name: value for name, value in request.args.items() if name not in but}
    try:
        return schema().load(arguments, unknown=RAISE)
    except ValidationError as error:
        name, messages = next(iter(error.normalized_messages().items()))
        raise UnprocessableEntity(f"{name}: {messages[0]}") from None


def answer_cached(  # noqa: PLR0913, PLR0917  (each is a part of the answer)
    view: str,
    query: dict[str, Any],
    build: Callable[[Connection], str],
    title: str,
    live: bool,
    if_empty: Callable[[], str],
) -> Response | str:
    """The view, built once for each generation: alone and with its ETag if `live`, else in the frame.

    Where `build` gives nothing, what `if_empty` gives at this moment.
    """
    name = cache_name(view, query)

    def encoded(conn: Connection) -> bytes:
        return build(conn).encode()

    if not live:
        number, body = answers().read(name, encoded)
        return framed(body.decode(), title, etag(number)) if body else answer_fresh(if_empty(), title, live)
    response = answers().respond(name, encoded, HTML)
    if response.status_code == 200 and not response.get_data():
        return answer_fresh(if_empty(), title, live)
    return response


def cache_name(view: str, query: dict[str, Any]) -> str:
    """The name under which the view is cached; an older release's is another."""
    return answer_name(f"page/{VERSION}/{view}", query)


def answer_fresh(html: str, title: str, live: bool) -> Response | str:
    """A view that changes without a generation: alone with an ETag of its own, else in the frame."""
    own_etag = generate_etag(html.encode())
    if not live:
        return framed(html, title, own_etag)
    response = Response(html, content_type=HTML)
    response.set_etag(own_etag)
    response.make_conditional(request)
    return response


def framed(html: str, title: str, etag: str) -> str:
    """The whole page around a view, with the ETag by which the page asks for news."""
    view = Markup(html)  # noqa: S704  (rendered from our templates)
    return render_template("page/frame.html", view=view, title=title, etag=f'"{etag}"')


def address(endpoint: str, query: dict[str, Any], **changes: Any) -> str:
    """The shortest address of a view with what is asked for, changed as named; None leaves out."""
    arguments = {**query, **changes}
    return url_for(
        endpoint,
        **{name: value for name, value in arguments.items() if value not in (None, DEFAULTS.get(name))},
    )


def scenarios_of(conn: Connection, source: str, chosen: str) -> list[str]:
    """The scenarios that the source has runs of, and the chosen one."""
    names = catalogue.scenario_names(conn, source)
    return names if chosen in names else [chosen, *names]


def metrics_of(source: str) -> list[Metric]:
    """The metrics that the source has values of."""
    return [metric for metric in METRICS if source != "simulation" or metric.simulated_range is not None]
