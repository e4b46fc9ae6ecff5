"""What all resources share: the key, the refusal of unknown arguments, the documented errors."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema
from werkzeug.exceptions import BadRequest, UnprocessableEntity, UnsupportedMediaType
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

ETAG = {"ETag": {"description": "Names this very answer", "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "Where it stands", "schema": {"type": "string"}}}
CONTENT_DISPOSITION = {
    "Content-Disposition": {"description": "Names a file to save it as", "schema": {"type": "string"}}
}
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
    blueprint: Blueprint,
    schema: type[Schema] | dict[str, Any],
    example: object = None,
    errors: dict[int, str] | None = None,
) -> Callable[[Callable], Callable]:
    """Document an endpoint that answers from the cache: its answer, its 304 and its errors.

    Without an `example`, the examples of the schema's fields make one.
    """
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


def streamed_answer(
    blueprint: Blueprint,
    examples: dict[str, tuple[Any, object]],
    errors: dict[int, str] | None = None,
) -> Callable[[Callable], Callable]:
    """Document an endpoint that streams a file: by content type a schema and an example, 304, errors."""

    def decorate(view: Callable) -> Callable:
        view = _with_errors(blueprint, view, {**COMMON_ERRORS, **(errors or {})})
        view = blueprint.alt_response(304, description="The client holds the current file", headers=ETAG)(
            view
        )
        for content_type, (schema, example) in examples.items():
            view = blueprint.response(
                200,
                schema,
                content_type=content_type,
                description="The file",
                example=example,
                headers={**ETAG, **CONTENT_DISPOSITION},
            )(view)
        return blueprint.doc(operationId=view.__name__, security=[{"key": []}], parameters=[IF_NONE_MATCH])(
            view
        )

    return decorate


def changing_answer(
    blueprint: Blueprint,
    code: int,
    schema: type[Schema] | None,
    description: str,
    errors: dict[int, str] | None = None,
) -> Callable[[Callable], Callable]:
    """Document an endpoint that changes something: its answer, the Location of what it made, its errors."""

    def decorate(view: Callable) -> Callable:
        away = {503: "The database or Redis is away"}
        view = _with_errors(blueprint, view, {**COMMON_ERRORS, **away, **(errors or {})})
        headers = LOCATION if code in (201, 202) else None
        view = blueprint.response(code, schema, description=description, headers=headers)(view)
        return blueprint.doc(operationId=view.__name__, security=[{"key": []}])(view)

    return decorate


def _with_errors(blueprint: Blueprint, view: Callable, errors: dict[int, str]) -> Callable:
    responses = {code: _error(code, description) for code, description in errors.items()}
    return blueprint.doc(responses=responses)(view)


def json_response(body: bytes, code: int = 200) -> Response:
    """An answer that comes from no cache; 304 if the client of a GET holds the very same."""
    response = Response(body, code, content_type="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "x-api-key"
    if code != 200:
        return response
    response.add_etag()
    response.make_conditional(request)
    return response


def json_body(
    blueprint: Blueprint, schema: type[Schema], optional: bool = False
) -> Callable[[Callable], Callable]:
    """Check the request's JSON body against `schema`, refuse what is unknown, pass it on as a dict.

    No body at all, if it is `optional`, is an empty one.
    """

    def decorate(view: Callable) -> Callable:
        checked = blueprint.arguments(schema, location="json", unknown=RAISE, required=not optional)(view)

        @wraps(checked)
        def parsed(*args: Any, **kwargs: Any) -> Any:
            refuse_arguments()
            if request.get_data() or not optional:
                _refuse_what_is_not_json()
            return checked(*args, **kwargs)

        return parsed

    return decorate


def _refuse_what_is_not_json() -> None:
    """Before webargs, to which another content type is no body at all."""
    if not request.is_json:
        raise UnsupportedMediaType("send a JSON body, with the header Content-Type: application/json")
    try:
        request.get_json()
    except RecursionError:
        raise BadRequest("the JSON body is nested too deeply") from None
    except BadRequest:
        raise BadRequest("the body is not JSON") from None


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
