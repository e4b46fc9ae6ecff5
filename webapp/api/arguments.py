"""How resources of the API take their query strings and paths."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE, Schema

from webapp.queries import refuse_repeated_arguments


def metric_in_path(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the path parameter that takes one of the metrics' names."""
    return {
        "name": "metric_name",
        "in": "path",
        "required": True,
        "description": "The metric's name",
        "schema": {"type": "string", "enum": list(names)},
    }


def filters(blueprint: Blueprint, schema: type[Schema]) -> Callable[[Callable], Callable]:
    """Check the query string against `schema`, refuse what is unknown or repeated, pass it on as a dict."""

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            refuse_repeated_arguments()
            return view(*args, **kwargs)

        return blueprint.arguments(schema, location="query", unknown=RAISE)(checked)

    return decorate
