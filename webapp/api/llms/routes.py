"""GET and POST /api/v1/llms; GET, PATCH and DELETE /api/v1/llms/{llm_id}."""

import re
from functools import partial
from typing import Any, NoReturn

from flask import Response, current_app, request
from werkzeug.exceptions import Conflict, NotFound

from webapp.api.arguments import filters
from webapp.api.common import (
    document_change,
    document_read,
    json_body,
    json_response,
    keyed_blueprint,
    refuse_arguments,
)
from webapp.api.llms.schemas import LLMChangesSchema, LLMSchema, LLMsQuery, LLMsSchema, NewLLMSchema
from webapp.cache import answers
from webapp.errors import shown
from webapp.llms import LLMs, NameTakenError, UnknownLLMError
from webapp.queries import answer_name
from webapp.store import Connection, llms, views

URL = "/api/v1/llms"
blueprint = keyed_blueprint("llms", __name__, url_prefix=URL, description="The LLMs that are ranked")

LARGEST_ID = 2**31 - 1
ID_IN_PATH = {
    "name": "llm_id",
    "in": "path",
    "required": True,
    "description": "Id of the LLM",
    "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
}
NOT_FOUND = {404: "Unknown LLM"}
REFUSALS = {
    400: "Body: invalid JSON",
    409: "Duplicate name",
    413: "Body too large",
    415: "Content-Type must be application/json",
}


@blueprint.get("")
@filters(blueprint, LLMsQuery)
@document_read(blueprint, LLMsSchema)
def list_llms(query: dict[str, Any]) -> Response:
    """List the LLMs.

    Lists ranked LLMs or, with archived=true, archived ones.
    """
    return answers().respond(answer_name("llms", query), partial(_list, query["archived"] == "true"))


def _list(archived: bool, conn: Connection) -> bytes:
    parts = {"generation": views.generation(conn), "llms": llms.read_all(conn, archived)}
    return LLMsSchema().dumps(parts).encode()


@blueprint.post("")
@json_body(blueprint, NewLLMSchema)
@document_change(blueprint, 201, LLMSchema, "The added LLM", errors=REFUSALS)
def add_llm(new: dict[str, Any]) -> Response:
    """Add an LLM.

    The next run includes it.
    """
    try:
        added = _llms().add(**new)
    except NameTakenError as error:
        _refuse_name(error)
    response = json_response(LLMSchema().dumps(added).encode(), 201)
    response.headers["Location"] = f"{request.script_root}{URL}/{added.id}"
    return response


@blueprint.route("/<llm_id>", methods=["GET"], parameters=[ID_IN_PATH])
@document_read(blueprint, LLMSchema, errors=NOT_FOUND)
def get_llm(llm_id: str) -> Response:
    """Get an LLM, archived or not."""
    refuse_arguments()
    number = _number(llm_id)
    return answers().respond(f"llms/{number}", partial(_one, number))


def _one(llm_id: int, conn: Connection) -> bytes:
    found = llms.read(conn, llm_id)
    if found is None:
        raise _not_found(llm_id)
    return LLMSchema().dumps(found).encode()


@blueprint.route("/<llm_id>", methods=["PATCH"], parameters=[ID_IN_PATH])
@json_body(blueprint, LLMChangesSchema)
@document_change(blueprint, 200, LLMSchema, "The changed LLM", errors={**NOT_FOUND, **REFUSALS})
def change_llm(changes: dict[str, Any], llm_id: str) -> Response:
    """Change an LLM.

    Rankings, history and runs show the change immediately. Simulated values depend on the name, so that the
    next run of a renamed LLM has different ones.
    """
    try:
        changed = _llms().change(_number(llm_id), **changes)
    except UnknownLLMError:
        raise _not_found(llm_id) from None
    except NameTakenError as error:
        _refuse_name(error)
    return json_response(LLMSchema().dumps(changed).encode())


@blueprint.route("/<llm_id>", methods=["DELETE"], parameters=[ID_IN_PATH])
@document_change(blueprint, 204, None, "Archived", errors=NOT_FOUND)
def archive_llm(llm_id: str) -> Response:
    """Archive an LLM.

    It leaves rankings and runs immediately; its history stays. Restore it with PATCH {"archived": false}.
    """
    refuse_arguments()
    try:
        _llms().change(_number(llm_id), archived=True)
    except UnknownLLMError:
        raise _not_found(llm_id) from None
    return Response(status=204)


def _llms() -> LLMs:
    return current_app.extensions["llms"]


def _number(raw: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", raw) or int(raw) > LARGEST_ID:
        raise _not_found(raw)
    return int(raw)


def _not_found(llm_id: object) -> NotFound:
    return NotFound(f"llm_id={shown(llm_id)}: unknown LLM")


def _refuse_name(error: NameTakenError) -> NoReturn:
    why = f'{error}; restore it with PATCH {{"archived": false}}' if error.archived else str(error)
    conflict = Conflict(f"name={shown(error.name)}: {why}")
    conflict.data = {"messages": {"json": {"name": [why]}}}  # type: ignore[attr-defined]
    raise conflict
