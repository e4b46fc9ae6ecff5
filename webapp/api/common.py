"""What all resources share: authentication, bodies and responses, and their OpenAPI descriptions."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema
from werkzeug.exceptions import BadRequest, UnprocessableEntity, UnsupportedMediaType
from werkzeug.http import HTTP_STATUS_CODES

from webapp import current
from webapp.auth import require_key
from webapp.errors import ErrorSchema, shown

# Not isdigit(), which accepts digits of other scripts, and any number of them.
ROW_ID = re.compile(r"[0-9]{1,18}")  # in a path; every such number is a bigint
COMMON_ERRORS = {
    401: "API key missing",
    403: "Wrong API key",
    422: "Unknown or invalid argument",
    429: "Too many wrong API keys from this address",
    503: "Database unreachable, and the response is not cached",
}

ETAG = {"ETag": {"description": "Identifies this response", "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "URL of what was created", "schema": {"type": "string"}}}
CONTENT_DISPOSITION = {
    "Content-Disposition": {"description": "Suggests a file name", "schema": {"type": "string"}}
}
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds before the next attempt", "schema": {"type": "integer"}}
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "ETag of the response that the client has; 304 if it is still current",
    "schema": {"type": "string"},
}


def keyed_blueprint(name: str, import_name: str, **options: Any) -> Blueprint:
    """Return a blueprint that requires an API key for every request."""
    blueprint = Blueprint(name, import_name, **options)
    blueprint.before_request(require_key)
    return blueprint


def document_read(
    blueprint: Blueprint,
    schema: type[Schema] | dict[str, Any],
    example: object = None,
    errors: dict[int, str] | None = None,
) -> Callable[[Callable], Callable]:
    """Document an endpoint with an ETag: its response, its 304 and its errors.

    Without an `example`, OpenAPI tools build one from the examples of the schema's fields.
    """
    responses: dict[int, dict[str, Any]] = {
        code: _error(code, description) for code, description in {**COMMON_ERRORS, **(errors or {})}.items()
    }
    responses[304] = {"description": "The client has the current response", "headers": ETAG}
    content = {"schema": schema} if example is None else {"schema": schema, "example": example}
    responses[200] = {
        "description": "Success",
        "headers": ETAG,
        "content": {"application/json": content},
    }

    def decorate(view: Callable) -> Callable:
        documented = blueprint.doc(
            operationId=view.__name__,
            security=[{"key": []}],
            responses=responses,
        )(view)
        # The description alone, since flask-smorest's wrappers cost time at every request.
        view._apidoc = documented._apidoc  # type: ignore[attr-defined]
        return _with_if_none_match(view)

    return decorate


def document_export(
    blueprint: Blueprint,
    examples: dict[str, tuple[Any, object]],
    errors: dict[int, str] | None = None,
) -> Callable[[Callable], Callable]:
    """Document an endpoint that streams a file: a schema and an example by content type, 304, errors."""

    def decorate(view: Callable) -> Callable:
        view = _with_errors(blueprint, view, {**COMMON_ERRORS, **(errors or {})})
        view = blueprint.alt_response(304, description="The client has the current file", headers=ETAG)(view)
        for content_type, (schema, example) in examples.items():
            view = blueprint.response(
                200,
                schema,
                content_type=content_type,
                description="The file",
                example=example,
                headers={**ETAG, **CONTENT_DISPOSITION},
            )(view)
        view = blueprint.doc(operationId=view.__name__, security=[{"key": []}])(view)
        return _with_if_none_match(view)

    return decorate


def document_change(
    blueprint: Blueprint,
    code: int,
    schema: type[Schema] | None,
    description: str,
    errors: dict[int, str] | None = None,
) -> Callable[[Callable], Callable]:
    """Document an endpoint that changes something: its response, its Location and its errors."""

    def decorate(view: Callable) -> Callable:
        unavailable = {503: "Database or Redis unreachable, or another change in progress"}
        view = _with_errors(blueprint, view, {**COMMON_ERRORS, **unavailable, **(errors or {})})
        headers = LOCATION if code in (201, 202) else None
        view = blueprint.response(code, schema, description=description, headers=headers)(view)
        return blueprint.doc(operationId=view.__name__, security=[{"key": []}])(view)

    return decorate


def _with_if_none_match(view: Callable) -> Callable:
    """Document the header as an argument: `doc(parameters=...)` would replace those of the query."""
    arguments = view._apidoc.setdefault("arguments", {})  # type: ignore[attr-defined]
    arguments.setdefault("parameters", []).append(IF_NONE_MATCH)
    return view


def _with_errors(blueprint: Blueprint, view: Callable, errors: dict[int, str]) -> Callable:
    responses = {code: _error(code, description) for code, description in errors.items()}
    return blueprint.doc(responses=responses)(view)


def json_response(body: bytes, code: int = 200) -> Response:
    """Return a response that is not cached; 304 if the client of a GET has the same body."""
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
    """Pass the JSON body to the view as a dict, validated by `schema`; 422 for unknown fields.

    An `optional` body may be missing, which is the same as an empty object.
    """

    def decorate(view: Callable) -> Callable:
        checked = blueprint.arguments(schema, location="json", unknown=RAISE, required=not optional)(view)

        @wraps(checked)
        def parsed(*args: Any, **kwargs: Any) -> Any:
            refuse_arguments()
            if request.get_data() or not optional:
                _require_json()
            return checked(*args, **kwargs)

        return parsed

    return decorate


def _require_json() -> None:
    # Checked before webargs, which ignores a body of another content type.
    if not request.is_json:
        raise UnsupportedMediaType("Content-Type must be application/json")
    try:
        request.get_json()
    except RecursionError:
        raise BadRequest("Body: JSON nested too deeply") from None
    except BadRequest:
        raise BadRequest("Body: invalid JSON") from None


def _error(code: int, description: str) -> dict[str, Any]:
    """Return the OpenAPI description of an error."""
    example = {"code": code, "status": HTTP_STATUS_CODES[code], "message": description}
    entry: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": ErrorSchema, "example": example}},
    }
    if code in (429, 503):
        entry["headers"] = RETRY_AFTER
    return entry


def refuse_arguments() -> None:
    """Refuse any query string; 422 names the first argument."""
    if current.environ()["QUERY_STRING"] and request.args:
        name = next(iter(request.args))
        raise UnprocessableEntity(f"{shown(name)}: unknown argument; expected none")
