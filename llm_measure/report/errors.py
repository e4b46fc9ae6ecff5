"""The failures of a level in words."""

from collections.abc import Mapping
from typing import Any

from llm_measure.text import printable


def failed(level: Mapping[str, Any]) -> int:
    """Return the number of failed requests; cancelled ones have not failed."""
    return sum(number for error, number in level["errors"].items() if error != "cancelled")


def error_lines(level: Mapping[str, Any]) -> list[str]:
    """Return a line per class of error, with its first detail, which the endpoint has sent."""
    details = level["error_details"]
    return [
        f"{number} x {error}: {printable(details.get(error, ''))}"
        for error, number in level["errors"].items()
    ]
