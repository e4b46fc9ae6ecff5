"""What an answer must be where a workload expects more than text: a call of a tool, or JSON by a schema."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from llm_measure.files import reason
from llm_measure.workloads import Workload

NAME = "report_weather"  # of the tool, and of the schema
DESCRIPTION = "Report the weather of a city."
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "temperature": {"type": "number"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "temperature", "unit"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Expectation:
    """A call of the tool with arguments by the schema, or an answer that is JSON by it."""

    kind: Literal["tool", "json"]
    schema: dict[str, Any]

    def is_met(self, text: str, calls: Iterable[tuple[str, str]]) -> bool:
        """Return whether an answer is what is expected, by its text and its calls: names and arguments.

        Of several calls, each must be right. JSON may have white space around it, and nothing else.
        """
        if self.kind == "json":
            return self._is_valid(text)
        found = list(calls)
        return bool(found) and all(name == NAME and self._is_valid(arguments) for name, arguments in found)

    def _is_valid(self, text: str) -> bool:
        try:
            return bool(self._validator.is_valid(json.loads(text, parse_constant=_refuse)))
        except (ValueError, RecursionError):
            return False

    @cached_property
    def _validator(self) -> Any:
        from jsonschema.validators import validator_for  # noqa: PLC0415  (slow to import, and seldom needed)

        return validator_for(self.schema)(self.schema)


def expectation(workload: Workload) -> Expectation | None:
    """Return what the workload's answers must be; None if that is any text. ValueError for a wrong schema."""
    if workload.expects == "text":
        return None
    return Expectation(
        workload.expects, _schema(workload.answer_schema) if workload.answer_schema else SCHEMA
    )


@lru_cache(maxsize=8)
def _schema(path: str) -> dict[str, Any]:
    from jsonschema import SchemaError  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    try:
        schema = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"answer_schema={path}: cannot be read: {reason(error)}") from None
    except ValueError as error:
        raise ValueError(f"answer_schema={path}: not JSON: {error}") from None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise ValueError(f"answer_schema={path}: must be a JSON schema of type object")
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"answer_schema={path}: not a JSON schema: {error.message}") from None
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            problem = f"$ref={reference}: not found; expected a part of the file, such as #/$defs/city"
            raise ValueError(f"answer_schema={path}: {problem}") from None
    return schema


def _references(schema: Any) -> Iterator[str]:
    """Yield what the schema refers to."""
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from _references(each)


def _refuse(constant: str) -> None:
    """Raise ValueError for NaN and Infinity, which JSON does not have and Python's module reads."""
    raise ValueError(constant)
