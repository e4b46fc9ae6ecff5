"""The colors of drawings, and what else all panels share."""

from collections.abc import Sequence
from typing import Any

INK, MUTED, GRID, BOUND = "#1d1c1a", "#66625a", "#e5e1d8", "#a3262a"
LINES = ("#0b655d", "#b4530a", "#4a4fb5", "#a3286f")
BOUND_LINE: dict[str, Any] = {"color": BOUND, "linestyle": (0, (4, 3)), "linewidth": 1.2}
TITLE: dict[str, Any] = {"color": INK, "loc": "left", "size": "large"}


def colors() -> Sequence[str]:
    """Return every color that panels have, so that a page can replace it."""
    return (INK, MUTED, GRID, BOUND, *LINES)
