"""Parameters in the query strings and paths of the API."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE, Schema

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
