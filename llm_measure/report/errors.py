"""The failures of a level in words."""

from collections.abc import Mapping
from typing import Any


def failed(level: Mapping[str, Any]) -> int:
    """Return the number of failed requests; cancelled ones have not failed."""
    return sum(number for error, number in level["errors"].items() if error != "cancelled")


def error_lines(level: Mapping[str, Any]) -> list[str]:
    """Return a line per class of error, with its first detail.

    Details come from the endpoint: what could control a terminal is replaced.
    """
    details = level["error_details"]
    return [
        f"{number} x {error}: {_printable(details.get(error, ''))}"
        for error, number in level["errors"].items()
    ]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
