"""The filters that several resources share: their schemas, and what they mean in the database."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, fields, validate
from werkzeug.exceptions import NotFound, UnprocessableEntity

from webapp.errors import shown
from webapp.metrics import Metric
from webapp.store import Connection, catalogue

SOURCES = ("simulation", "measurement")
LONGEST_NAME = 200


def metric_in_path(metrics: tuple[Metric, ...]) -> dict[str, Any]:
    """The path parameter that names one of the `metrics`."""
    return {
        "name": "metric_name",
        "in": "path",
        "required": True,
        "description": "The metric's name",
        "schema": {"type": "string", "enum": [metric.name for metric in metrics]},
    }


def one_of(choices: tuple[str, ...], default: str | None, description: str) -> fields.String:
    """A filter with a closed set of values."""
    return fields.String(
        load_default=default,
        validate=validate.OneOf(choices, error="must be one of {choices}"),
        metadata={"description": description, "example": default or choices[0]},
    )


def name_filter(description: str, example: str, default: str | None = None) -> fields.String:
    """A filter that takes a name."""
    return fields.String(
        load_default=default,
        validate=[
            validate.Length(min=1, max=LONGEST_NAME),
            validate.ContainsNoneOf("\0", error="must hold no NUL character"),
        ],
        metadata={"description": description, "example": example},
    )


class SeriesFilters(Schema):
    """Which values: only like is compared with like."""

    source = one_of(SOURCES, "simulation", "Where the values come from; never mixed")
    workload = name_filter("What was asked of the LLMs", "default", default="default")


def filters(blueprint: Blueprint, schema: type[Schema]) -> Callable[[Callable], Callable]:
    """Check the query string against `schema`, refuse what is unknown or repeated, pass it on as a dict."""

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            refuse_repeated_arguments()
            return view(*args, **kwargs)

        return blueprint.arguments(schema, location="query", unknown=RAISE)(checked)

    return decorate


def refuse_repeated_arguments(but: tuple[str, ...] = ()) -> None:
    """One of them would silently win, unless its name is in `but`."""
    for name, values in request.args.lists():
        if len(values) > 1 and name not in but:
            raise UnprocessableEntity(f"{shown(name)}: given {len(values)} times; give it once")


def answer_name(endpoint: str, arguments: dict[str, Any]) -> str:
    """The name under which the answer to these arguments is cached; the same for any order of them."""
    return endpoint + "?" + "&".join(f"{name}={arguments[name]!r}" for name in sorted(arguments))


def known_metric(name: str, metrics: tuple[Metric, ...]) -> Metric:
    """The one of the `metrics` that has that name; NotFound if there is none."""
    for metric in metrics:
        if metric.name == name:
            return metric
    known = ", ".join(metric.name for metric in metrics)
    raise NotFound(f"metric_name={shown(name)}: no such metric; there are {known}")


def workload_id(conn: Connection, name: str) -> int:
    """The workload's id; UnprocessableEntity if there is none of that name."""
    return _known(catalogue.workload_id(conn, name), f"workload={shown(name)}: there is no such workload")


def llm_id(conn: Connection, name: str) -> int:
    """The LLM's id, archived or not; UnprocessableEntity if there is none of that name."""
    return _known(catalogue.llm_id(conn, name), f"llm={shown(name)}: there is no such LLM")


def _known(found: int | None, message: str) -> int:
    if found is None:
        raise UnprocessableEntity(message)
    return found
