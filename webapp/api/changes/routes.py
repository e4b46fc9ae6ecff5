"""GET /api/v1/benchmarks/changes."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import Response
from werkzeug.exceptions import UnprocessableEntity

from webapp.api.arguments import filters
from webapp.api.changes.schemas import ChangesQuery, ChangesSchema
from webapp.api.common import document_read, keyed_blueprint
from webapp.cache import answers
from webapp.queries import answer_name, llm_id, scenario_ids
from webapp.store import Connection, changes, views

blueprint = keyed_blueprint(
    "changes",
    __name__,
    url_prefix="/api/v1/benchmarks/changes",
    description="Changes of level, for the worse and the better",
)

DEFAULT_REACH = timedelta(days=30)
MOST_CHANGES = 10_000


@blueprint.get("")
@filters(blueprint, ChangesQuery)
@document_read(blueprint, ChangesSchema)
def list_changes(query: dict[str, Any]) -> Response:
    """List changes of level, oldest first.

    A change is listed from the run on that showed it. More than 10,000 changes are refused with 422.
    """
    return answers().respond(answer_name("changes", query), partial(_changes, query))


def _changes(query: dict[str, Any], conn: Connection) -> bytes:
    found = changes.read(
        conn,
        since=query["since"] or datetime.now(UTC) - DEFAULT_REACH,
        until=query["until"],
        source=query["source"],
        scenario_ids=scenario_ids(conn, query),
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        limit=MOST_CHANGES + 1,
    )
    if len(found) > MOST_CHANGES:
        raise UnprocessableEntity(f"More than {MOST_CHANGES} changes; name one llm, or a later `from`")
    return ChangesSchema().dumps({"generation": views.generation(conn), "changes": found}).encode()
