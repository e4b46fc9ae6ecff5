"""Numbers, moments and names as the page writes them."""

import math
from datetime import UTC, datetime

NONE = "\N{EN DASH}"

TITLES = {
    "ttft": "Time to first token",
    "tps": "Tokens per second",
    "e2e_latency": "End-to-end latency",
    "rps": "Requests per second",
    "tpot": "Time per output token",
    "itl": "Inter-token latency",
    "output_throughput": "Output throughput",
    "error_rate": "Error rate",
    "goodput": "Goodput",
}
UNITS = {
    "s": "seconds",
    "s/token": "seconds per token",
    "tokens/s": "tokens per second",
    "requests/s": "requests per second",
    "share": "shares of 1",
}
WINDOWS = {
    "latest": "Latest run",
    "1h": "Last hour",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "all": "All time",
}


def title(name: str) -> str:
    """A metric's or a window's name, spelled out."""
    return TITLES.get(name) or WINDOWS.get(name) or name.replace("_", " ").capitalize()


def first_up(text: str) -> str:
    """A text as a sentence begins."""
    return text[:1].upper() + text[1:]


def unit_words(unit: str) -> str:
    """A unit, spelled out."""
    return UNITS.get(unit, unit)


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
