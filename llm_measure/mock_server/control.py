"""The mock server's control: its behaviour as JSON, and changes of it while it serves."""

import json
from dataclasses import fields, replace
from typing import Any

import msgspec

from llm_measure.mock_server.behaviour import Behaviour

# Neither shown nor changed: a secret, and whether there is a control.
FIXED = frozenset(("api_key", "control"))
FIELDS = {each.name: each.type for each in fields(Behaviour) if each.name not in FIXED}


def shown(behaviour: Behaviour) -> dict[str, Any]:
    """Return the behaviour's fields."""
    return {name: getattr(behaviour, name) for name in FIELDS}


def changed(behaviour: Behaviour, body: bytes) -> Behaviour:
    """Return the behaviour with the fields of a JSON object; ValueError, with the field, if one is wrong."""
    try:
        given = msgspec.json.decode(body, type=dict[str, Any])
    except ValueError as error:
        raise ValueError(f"body: {error}; expected a JSON object of fields") from None
    return replace(behaviour, **{name: _value(name, value) for name, value in given.items()})


def _value(name: str, value: Any) -> Any:
    if name not in FIELDS:
        raise ValueError(f"{name}: unknown field; expected one of {', '.join(FIELDS)}")
    try:
        return msgspec.convert(value, FIELDS[name])
    except msgspec.ValidationError:
        expected = _expected(msgspec.json.schema(FIELDS[name]))
        raise ValueError(f"{name}={json.dumps(value)}: wrong type or value; expected {expected}") from None


def _expected(schema: dict[str, Any]) -> str:
    kinds = schema.get("anyOf", [schema])
    return " or ".join(str(value) for kind in kinds for value in kind.get("enum", [kind.get("type")]))
