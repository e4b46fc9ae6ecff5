"""Fields as the OpenAPI document shows them: each with its meaning, unit and an example."""

from marshmallow import fields


def number(description: str, example: float, nullable: bool = False) -> fields.Float:
    """A value in the metric's unit."""
    return fields.Float(
        required=True,
        allow_none=nullable,
        metadata={"description": f"{description}, in the metric's unit", "example": example},
    )


def count(description: str, example: int, nullable: bool = False) -> fields.Integer:
    """A whole number."""
    return fields.Integer(
        required=True, allow_none=nullable, metadata={"description": description, "example": example}
    )


def text(description: str, example: str, nullable: bool = False) -> fields.String:
    """A text."""
    return fields.String(
        required=True, allow_none=nullable, metadata={"description": description, "example": example}
    )


def timestamp(description: str, nullable: bool = False) -> fields.DateTime:
    """A moment in UTC, as ISO 8601."""
    return fields.DateTime(
        required=True,
        allow_none=nullable,
        metadata={"description": description, "example": "2026-11-24T12:00:00+00:00"},
    )


def flag(description: str, example: bool) -> fields.Boolean:
    """True or false."""
    return fields.Boolean(required=True, metadata={"description": description, "example": example})
