"""GET /api/v1/benchmarks/incidents and .../{incident_id}; POST .../acknowledge and .../close."""

from functools import partial
from typing import Any

from flask import Response, current_app
from werkzeug.exceptions import Conflict, NotFound

from webapp.api.arguments import filters
from webapp.api.common import (
    ROW_ID,
    document_change,
    document_read,
    json_body,
    json_response,
    keyed_blueprint,
    refuse_arguments,
)
from webapp.api.incidents.schemas import (
    IncidentsQuery,
    IncidentsSchema,
    IncidentWithEventsSchema,
    NoteSchema,
)
from webapp.cache import answers, snapshot
from webapp.errors import shown
from webapp.queries import answer_name, llm_id
from webapp.store import Connection, incidents, views
from webapp.watch.actions import Action, acknowledge, close, perform

URL = "/api/v1/benchmarks/incidents"
blueprint = keyed_blueprint(
    "incidents", __name__, url_prefix=URL, description="What got worse or failed, and since when"
)

ID_IN_PATH = {
    "name": "incident_id",
    "in": "path",
    "required": True,
    "description": "Id of the incident",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
}
NOT_FOUND = {404: "Unknown incident"}
REFUSALS = {
    **NOT_FOUND,
    400: "Body: invalid JSON",
    409: "Incident already resolved",
    413: "Body too large",
    415: "Content-Type must be application/json",
}


@blueprint.get("")
@filters(blueprint, IncidentsQuery)
@document_read(blueprint, IncidentsSchema)
def list_incidents(query: dict[str, Any]) -> Response:
    """List incidents, newest first.

    Returns one page; `next` is the `cursor` of the following page.
    """
    return answers().respond(answer_name("incidents", query), partial(_list, query))


def _list(query: dict[str, Any], conn: Connection) -> bytes:
    found = incidents.read(
        conn,
        limit=query["limit"] + 1,
        before=query["cursor"],
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        **{name: query[name] for name in ("status", "severity", "source")},
    )
    page = found[: query["limit"]]
    parts = {
        "generation": views.generation(conn),
        "incidents": page,
        "next": page[-1].id if len(found) > len(page) else None,
    }
    return IncidentsSchema().dumps(parts).encode()


@blueprint.route("/<incident_id>", methods=["GET"], parameters=[ID_IN_PATH])
@document_read(blueprint, IncidentWithEventsSchema, errors=NOT_FOUND)
def get_incident(incident_id: str) -> Response:
    """Get an incident with its events."""
    refuse_arguments()
    number = _number(incident_id)
    return answers().respond(f"incidents/{number}", partial(_one, number))


def _one(incident_id: int, conn: Connection) -> bytes:
    found = incidents.read(conn, incident_id=incident_id)
    if not found:
        raise _not_found(incident_id)
    (incident,) = found
    parts = {
        **vars(incident),
        "status": incident.status,
        "llm_names": incident.llm_names,
        "events": incidents.events(conn, incident_id),
    }
    return IncidentWithEventsSchema().dumps(parts).encode()


@blueprint.route("/<incident_id>/acknowledge", methods=["POST"], parameters=[ID_IN_PATH])
@json_body(blueprint, NoteSchema, optional=True)
@document_change(blueprint, 200, IncidentWithEventsSchema, "The acknowledged incident", errors=REFUSALS)
def acknowledge_incident(new: dict[str, Any], incident_id: str) -> Response:
    """Acknowledge an open incident.

    Acknowledging it again replaces the note.
    """
    return _act(acknowledge, incident_id, new["note"])


@blueprint.route("/<incident_id>/close", methods=["POST"], parameters=[ID_IN_PATH])
@json_body(blueprint, NoteSchema, optional=True)
@document_change(blueprint, 200, IncidentWithEventsSchema, "The closed incident", errors=REFUSALS)
def close_incident(new: dict[str, Any], incident_id: str) -> Response:
    """Close an open incident.

    The level at this time becomes the new normal, from which changes are detected.
    """
    return _act(close, incident_id, new["note"])


def _act(action: Action, incident_id: str, note: str | None) -> Response:
    number = _number(incident_id)
    extensions = current_app.extensions
    done = perform(extensions["settings"], extensions["redis"], action, number, note)
    with snapshot() as conn:
        body = _one(number, conn)
    if not done:
        raise Conflict(f"incident_id={number}: already resolved; expected an open incident")
    return json_response(body)


def _number(raw: str) -> int:
    if not ROW_ID.fullmatch(raw):
        raise _not_found(raw)
    return int(raw)


def _not_found(incident_id: object) -> NotFound:
    return NotFound(f"incident_id={shown(incident_id)}: unknown incident")
