"""/run: one run, and how a measured one went."""

from flask import Response, render_template
from marshmallow import Schema
from werkzeug.exceptions import NotFound

from webapp.cache import snapshot
from webapp.page import searched
from webapp.page.facts import PARTS
from webapp.page.views import query_arguments, respond_fresh
from webapp.queries import LARGEST_ID, whole_filter
from webapp.store import run_records


class Query(Schema):
    """The query string of /run."""

    id = whole_filter(1, LARGEST_ID, None, "Id of the run", 1234)


def show(live: bool) -> Response | str:
    """Return the run, which is never cached, since runs change between refreshes."""
    query = query_arguments(Query)
    if query["id"] is None:
        raise NotFound("id: missing; expected that of a run, as in /run?id=1234")
    with snapshot() as conn:
        found = run_records.read(conn, run_id=query["id"])
    if not found:
        raise NotFound(f"id={query['id']}: unknown run")
    (run,) = found
    parts = [(title, list(facts(run.measurement))) for title, facts in PARTS if run.measurement]
    measurement = run.measurement or {}
    html = render_template(
        "page/run.html",
        run=run,
        parts=parts,
        doubts=measurement.get("warnings", ()),
        search=searched.drawn(measurement["find"]) if "find" in measurement else None,
    )
    return respond_fresh(html, f"Run of {run.llm_name}", live)
