"""GET and POST /api/v1/llms; GET, PATCH and DELETE /api/v1/llms/{llm_id}."""

import re
from functools import partial
from typing import Any, NoReturn

from flask import Response, current_app
from werkzeug.exceptions import Conflict, NotFound

from webapp.api.arguments import filters
from webapp.api.common import (
    cached_answer,
    changing_answer,
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
blueprint = keyed_blueprint("llms", __name__, url_prefix=URL, description="What is ranked")

LARGEST_ID = 2**31 - 1
ID_IN_PATH = {
    "name": "llm_id",
    "in": "path",
    "required": True,
    "description": "The LLM's number",
    "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
}
NOT_FOUND = {404: "There is no such LLM"}
REFUSALS = {
    400: "The body is not JSON",
    409: "Another LLM has that name",
    413: "The body is too large",
    415: "The body is not called JSON by its Content-Type",
}


@blueprint.get("")
@filters(blueprint, LLMsQuery)
@cached_answer(blueprint, LLMsSchema)
def list_llms(query: dict[str, Any]) -> Response:
    """The LLMs that are ranked.

    Or, with archived=true, those that no longer are.
    """
    return answers().respond(answer_name("llms", query), partial(_list, query["archived"] == "true"))


def _list(archived: bool, conn: Connection) -> bytes:
    parts = {"generation": views.generation(conn), "llms": llms.read_all(conn, archived)}
    return LLMsSchema().dumps(parts).encode()


@blueprint.post("")
@json_body(blueprint, NewLLMSchema)
@changing_answer(blueprint, 201, LLMSchema, "The LLM, as it was added", errors=REFUSALS)
def add_llm(new: dict[str, Any]) -> Response:
    """Add an LLM.

    The next run takes it in.
    """
    try:
        added = _llms().add(**new)
    except NameTakenError as error:
        _refuse_name(error)
    response = json_response(LLMSchema().dumps(added).encode(), 201)
    response.headers["Location"] = f"{URL}/{added.id}"
    return response


@blueprint.route("/<llm_id>", methods=["GET"], parameters=[ID_IN_PATH])
@cached_answer(blueprint, LLMSchema, errors=NOT_FOUND)
def get_llm(llm_id: str) -> Response:
    """One LLM, archived or not."""
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
@changing_answer(blueprint, 200, LLMSchema, "The LLM, as it is now", errors={**NOT_FOUND, **REFUSALS})
def change_llm(changes: dict[str, Any], llm_id: str) -> Response:
    """Change an LLM.

    Rankings, history and runs show it so at once. Simulated values depend on the name: with another name
    the next run's are others.
    """
    try:
        changed = _llms().change(_number(llm_id), **changes)
    except UnknownLLMError:
        raise _not_found(llm_id) from None
    except NameTakenError as error:
        _refuse_name(error)
    return json_response(LLMSchema().dumps(changed).encode())


@blueprint.route("/<llm_id>", methods=["DELETE"], parameters=[ID_IN_PATH])
@changing_answer(blueprint, 204, None, "It is archived", errors=NOT_FOUND)
def archive_llm(llm_id: str) -> Response:
    """Archive an LLM.

    It leaves the rankings at once and runs no more; its history stays. PATCH {"archived": false} brings it
    back.
    """
    refuse_arguments()
    try:
        _llms().change(_number(llm_id), archived=True)
    except UnknownLLMError:
        raise _not_found(llm_id) from None
    return Response(status=204)


def _llms() -> LLMs:
    return LLMs(current_app.extensions["settings"], current_app.extensions["redis"])


def _number(raw: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", raw) or int(raw) > LARGEST_ID:
        raise _not_found(raw)
    return int(raw)


def _not_found(llm_id: object) -> NotFound:
    return NotFound(f"llm_id={shown(llm_id)}: there is no such LLM")


def _refuse_name(error: NameTakenError) -> NoReturn:
    why = f'{error}; PATCH it with {{"archived": false}} to restore it' if error.archived else str(error)
    conflict = Conflict(f"name={shown(error.name)}: {why}")
    conflict.data = {"messages": {"json": {"name": [why]}}}  # type: ignore[attr-defined]
    raise conflict
