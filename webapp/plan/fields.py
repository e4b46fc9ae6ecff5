"""Kinds of fields of a benchmark file: names, numbers, lengths, levels, commands; what its schemas share."""

import json
import re
from collections.abc import Iterable
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from llm_measure.distributions import file_of, parse
from llm_measure.endpoint_checks import command_words

# Control characters, halves of surrogate pairs, and what separates workload and level.
NOT_IN_NAMES = r"\x00-\x1f\x7f-\x9f\ud800-\udfff@"
NAME = validate.Regexp(
    rf"^[^\s{NOT_IN_NAMES}]([^{NOT_IN_NAMES}]{{0,98}}[^\s{NOT_IN_NAMES}])?\Z",
    error="must be a name of 1 to 100 characters, without @, control characters and surrounding spaces",
)
UNKNOWN_FIELD, MISSING = "unknown field", "missing; expected a value"
SOME = validate.Length(1, error="empty; expected at least one")
PATH = validate.Length(1, error="empty; expected the path of a file")
# What marshmallow says, in the words of the other faults.
MESSAGES = {
    "Missing data for required field.": MISSING,
    "Field may not be null.": "empty; expected a value",
    "Not a valid string.": "must be a text",
    "Not a valid integer.": "must be a whole number",
    "Not a valid number.": "must be a number",
    "Special numeric values (nan or infinity) are not permitted.": "must be a number",
    "Not a valid boolean.": "must be true or false",
    "Not a valid list.": "must be a list",
    "Not a valid mapping type.": "must be a mapping",
    "Invalid input type.": "must be a mapping",
}


class StrictSchema(Schema):
    """A schema that names the known fields where it refuses an unknown one."""

    error_messages = {"unknown": UNKNOWN_FIELD}  # noqa: RUF012  (marshmallow's own way)

    def handle_error(self, error: ValidationError, data: Any, **kwargs: Any) -> None:
        """List the known fields for an unknown one."""
        known = f"{UNKNOWN_FIELD}; expected one of {', '.join(self.fields)}"
        for messages in error.messages.values() if isinstance(error.messages, dict) else ():
            if messages == [UNKNOWN_FIELD]:
                messages[:] = [known]


def one_of(choices: Iterable[str]) -> validate.OneOf:
    """Return a check that a value is one of the choices."""
    return validate.OneOf(choices, error="must be one of {choices}")


def variable(of: str) -> validate.Regexp:
    """Return a check that a value is the name of an environment variable, not the key or URL in it."""
    return validate.Regexp(
        r"^[A-Za-z_][A-Za-z0-9_]*\Z",
        error=f"must be the name of an environment variable, never the {of} itself",
    )


def check_name(name: str) -> None:
    """Raise ValueError if a workload cannot have that name."""
    try:
        NAME(name)
    except ValidationError as error:
        raise ValueError(error.messages[0]) from None


def number_field(low: float, high: float, **more: Any) -> fields.Float:
    """Return a field for a number in this range."""
    return fields.Float(validate=Range(low, high), **more)


def whole_field(low: int, high: int, **more: Any) -> fields.Integer:
    """Return a field for a whole number in this range."""
    return fields.Integer(strict=True, validate=Range(low, high, whole=True), **more)


def check_json(value: dict[str, Any]) -> None:
    """Raise ValidationError for what YAML has and JSON does not."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValidationError("must be valid in JSON: no dates, .nan or .inf") from None


def refused(error: ValueError) -> ValidationError:
    """Return an error of the measuring library, `field=value: problem`, as a fault of that field."""
    found = re.match(r"(\w+?)(?:_s)?(?:=.*?)?: (.*)", str(error))
    return ValidationError(found[2], found[1]) if found else ValidationError(str(error))


class Range:
    """A check that a number is in a range, which includes its ends."""

    def __init__(self, low: float, high: float, whole: bool = False):
        self.low, self.high = low, high
        self._kind = "whole number" if whole else "number"

    def __call__(self, value: float) -> None:
        """Raise ValidationError for another number."""
        if not self.low <= value <= self.high:
            raise ValidationError(f"must be a {self._kind} from {self.low:g} to {self.high:g}")


class Levels(fields.Field):
    """One level or a list of levels."""

    def __init__(self, inner: fields.Field):
        super().__init__()
        self.levels = fields.List(inner, validate=validate.Length(1, 20, error="must be 1 to 20 levels"))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        levels = self.levels.deserialize(value if isinstance(value, list) else [value], attr, data, **kwargs)
        if len({f"{level:g}" for level in levels}) < len(levels):  # as scenarios name them
            raise ValidationError("duplicate level")
        return levels


class Drawn(fields.Field):
    """A number, or its distribution as a text, whose file is read later; `words` are other texts."""

    def __init__(self, low: int, high: int, *words: str, whole: bool = True):
        super().__init__()
        self.low, self.high, self.words = low, high, words
        self.number = whole_field(low, high) if whole else number_field(low, high)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or value.strip().isdecimal():
            return self.number.deserialize(value, attr, data, **kwargs)
        if value in self.words:
            return value
        try:
            mean = None if file_of(value) else parse(value).mean
        except ValueError as error:
            raise ValidationError(" or ".join((str(error), *self.words))) from None
        if mean is not None and not self.low <= mean <= self.high:
            raise ValidationError(f"must have a mean from {self.low} to {self.high:g}")
        return value


class Command(fields.Field):
    """A command as a shell has it, or the list of its words."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        try:
            return command_words(value)
        except ValueError as error:
            raise ValidationError(str(error).partition(": ")[2]) from None
