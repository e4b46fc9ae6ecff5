"""Parameters in the query strings and paths of the API."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, fields

from webapp.queries import refuse_repeated_arguments


def metric_in_path(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the OpenAPI description of the path parameter that takes one of the metrics' names."""
    return {
        "name": "metric_name",
        "in": "path",
        "required": True,
        "description": "Name of the metric",
        "schema": {"type": "string", "enum": list(names)},
    }


def filters(blueprint: Blueprint, schema: type[Schema]) -> Callable[[Callable], Callable]:
    """Pass the query string to the view, validated by `schema`; 422 for unknown or repeated arguments."""

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            refuse_repeated_arguments()
            return view(*args, **kwargs)

        return blueprint.arguments(schema, location="query", unknown=RAISE)(checked)

    return decorate


def without_null(converter: object, field: fields.Field, ret: dict[str, Any]) -> dict[str, Any]:
    """Describe an argument that has no default as one that may be missing: a query string has no null.

    Its example becomes one of `examples`, since Swagger UI sends an `example` unless the user removes it.
    """
    if field.load_default is not None:
        return {}
    schema = ret["schema"]
    described = {name: value for name, value in schema.items() if name not in ("default", "example")}
    described["type"] = next(name for name in schema["type"] if name != "null")
    if "enum" in schema:
        described["enum"] = [choice for choice in schema["enum"] if choice is not None]
    return {"schema": {**described, "examples": [schema["example"]]}}
