"""Interpolate the Compose file as the Compose specification says, without the docker command."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from webapp.settings import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()


class MissingVariableError(Exception):
    """A variable that `${NAME:?message}` requires is empty or missing."""


def render(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the services by name, with every value interpolated."""
    return interpolated(yaml.safe_load(TEXT)["services"], variables)


def interpolated(node: Any, variables: Mapping[str, str]) -> Any:
    """Return the node of a Compose file with every text interpolated."""
    if isinstance(node, dict):
        return {key: interpolated(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(value, variables) for value in node]
    return interpolate(node, variables) if isinstance(node, str) else node


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with `$$`, `${NAME}` and `${NAME:-word}` and its kin replaced; words may nest."""
    before, dollar, rest = text.partition("$")
    if not dollar:
        return text
    if rest.startswith("$"):
        return before + "$" + interpolate(rest[1:], variables)
    assert rest.startswith("{"), f"{text}: use braces"
    end = _closing_brace(rest)
    return before + _expand(rest[1:end], variables) + interpolate(rest[end + 1 :], variables)


def _closing_brace(text: str) -> int:
    depth = 0
    for position, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return position
    raise ValueError(f"{text}: no closing brace")


def _expand(expression: str, variables: Mapping[str, str]) -> str:
    match = re.fullmatch(r"(\w+)(:?)([-+?]?)(.*)", expression, re.DOTALL)
    assert match, expression
    name, colon, operator, word = match.groups()
    value = variables.get(name)
    given = bool(value) if colon else value is not None
    if operator == "+":
        return interpolate(word, variables) if given else ""
    if given or not operator:
        return value or ""
    if operator == "?":
        raise MissingVariableError(name)
    return interpolate(word, variables)
