"""The kinds of reports that can be drawn: to add one, write its module and register it here."""

from collections.abc import Callable, Mapping
from typing import Any

from llm_measure.report.drawing import capacity, load_curve
from llm_measure.report.drawing.record import Drawing

# By the part that a report of the kind has; the first that a report has decides.
KINDS: dict[str, Callable[[Mapping[str, Any]], Drawing]] = {
    "find": capacity.drawing,
    "levels": load_curve.drawing,
}


def drawing(found: Mapping[str, Any]) -> Drawing:
    """Return the drawing of a report, which is the JSON document."""
    return next(draw for part, draw in KINDS.items() if part in found)(found)
