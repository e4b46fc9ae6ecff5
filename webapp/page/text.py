"""Numbers, moments and names as the page writes them."""

import math
from datetime import UTC, datetime

from llm_measure.metrics import METRICS
from webapp.windows import WINDOWS_BY_NAME

NONE = "\N{EN DASH}"


def title(name: str) -> str:
    """Return a metric's or a window's title; any other name with a capital and spaces."""
    if name in METRICS:
        return METRICS[name].title
    if name in WINDOWS_BY_NAME:
        return WINDOWS_BY_NAME[name].title
    return name.replace("_", " ").capitalize()


def first_up(text: str) -> str:
    """A text as a sentence begins."""
    return text[:1].upper() + text[1:]


def figure(value: float | None) -> str:
    """A value with three digits or all before the point; a dash if there is none."""
    if value is None:
        return NONE
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 2
    return f"{value:,.{decimals}f}"


def whole(value: int | None) -> str:
    """A whole number with commas between the thousands."""
    return NONE if value is None else f"{value:,}"


def moment(value: datetime) -> str:
    """A moment in UTC, to the minute; the browser makes an age of it."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(seconds: float | None) -> str:
    """How long something took."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
