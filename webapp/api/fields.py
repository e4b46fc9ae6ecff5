"""Schema fields with a description, a unit and an example for the OpenAPI document."""

from typing import Any

from marshmallow import fields

from webapp.scenarios import split


def number(description: str, example: float, nullable: bool = False) -> fields.Float:
    """Return a field of a value in the metric's unit."""
    return fields.Float(
        required=True,
        allow_none=nullable,
        metadata={"description": f"{description}, in the metric's unit", "example": example},
    )


def count(description: str, example: int, nullable: bool = False) -> fields.Integer:
    """Return a field of a whole number."""
    return fields.Integer(
        required=True, allow_none=nullable, metadata={"description": description, "example": example}
    )


def text(description: str, example: str, nullable: bool = False) -> fields.String:
    """Return a text field."""
    return fields.String(
        required=True, allow_none=nullable, metadata={"description": description, "example": example}
    )


def timestamp(description: str, nullable: bool = False) -> fields.DateTime:
    """Return a field of a time in UTC, in ISO 8601."""
    return fields.DateTime(
        required=True,
        allow_none=nullable,
        metadata={"description": description, "example": "2026-11-24T12:00:00+00:00"},
    )


def scenarios() -> fields.List:
    """Return a field of the scenarios that a filter can name instead."""
    return fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Scenarios with ended runs of the source", "example": ["default"]},
    )


class Region(fields.String):
    """A field of the region in a scenario's name."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return split(value).region


def region() -> Region:
    """Return a field of the region of the object's scenario."""
    return Region(
        attribute="scenario",
        dump_only=True,
        required=True,
        allow_none=True,
        metadata={"description": "Region that was measured from; null without one", "example": "eu"},
    )


def flag(description: str, example: bool, nullable: bool = False) -> fields.Boolean:
    """Return a field that is true or false."""
    return fields.Boolean(
        required=True, allow_none=nullable, metadata={"description": description, "example": example}
    )
