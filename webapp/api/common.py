"""What all resources share: the key, the refusal of unknown arguments, the documented errors."""

from collections.abc import Callable
from typing import Any

from flask import request
from flask_smorest import Blueprint
from marshmallow import Schema
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.http import HTTP_STATUS_CODES

from webapp.auth import require_key
from webapp.errors import ErrorSchema, shown

COMMON_ERRORS = {
    401: "No API key was sent",
    403: "The API key is wrong",
    422: "An argument is unknown or unusable",
    429: "Too many wrong keys from this address",
    503: "The database is away and the answer is not cached",
}

ETAG = {"ETag": {"description": "Names the answer's generation", "schema": {"type": "string"}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the answer that the client holds; 304 if it is still the current one",
    "schema": {"type": "string"},
}


def keyed_blueprint(name: str, import_name: str, **options: Any) -> Blueprint:
    """A blueprint whose every request must carry a key."""
    blueprint = Blueprint(name, import_name, **options)
    blueprint.before_request(require_key)
    return blueprint


def cached_answer(
    blueprint: Blueprint, schema: type[Schema], example: object, errors: dict[int, str] | None = None
) -> Callable[[Callable], Callable]:
    """Document an endpoint that answers from the cache: its answer, its 304 and its errors."""
    responses: dict[int, dict[str, Any]] = {
        code: _error(code, description) for code, description in {**COMMON_ERRORS, **(errors or {})}.items()
    }
    responses[304] = {"description": "The client holds the current answer", "headers": ETAG}
    answer = {"schema": schema} if example is None else {"schema": schema, "example": example}
    responses[200] = {
        "description": "The answer",
        "headers": ETAG,
        "content": {"application/json": answer},
    }

    def decorate(view: Callable) -> Callable:
        # Only documented, since each of flask-smorest's response decorators costs time at each request.
        return blueprint.doc(
            operationId=view.__name__,
            security=[{"key": []}],
            parameters=[IF_NONE_MATCH],
            responses=responses,
        )(view)

    return decorate


def _error(code: int, description: str) -> dict[str, Any]:
    """An error's entry in the OpenAPI document."""
    example = {"code": code, "status": HTTP_STATUS_CODES[code], "message": description}
    entry: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": ErrorSchema, "example": example}},
    }
    if code in (429, 503):
        entry["headers"] = RETRY_AFTER
    return entry


def refuse_arguments() -> None:
    """Refuse a query string where none is known; each unknown one would make a cache key of its own."""
    if request.query_string and request.args:
        name = next(iter(request.args))
        raise UnprocessableEntity(f"{shown(name)}: no such argument; there are none here")
