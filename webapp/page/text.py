"""Text formats of the page: labels, numbers, times and durations."""

import math
import re
from datetime import UTC, datetime, timedelta

from llm_measure.metrics import METRICS
from llm_measure.records import ERROR_CLASSES
from webapp.windows import WINDOWS_BY_NAME

# How a run without any correct response begins to describe its errors.
FAILED = re.compile(rf"requests failed \(({'|'.join(ERROR_CLASSES)}) ")
NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def label(name: str) -> str:
    """Return the title of a metric or window; any other name capitalized, with spaces for underscores."""
    if name in METRICS:
        return METRICS[name].title
    if name in WINDOWS_BY_NAME:
        return WINDOWS_BY_NAME[name].title
    return name.replace("_", " ").capitalize()


def sentence(text: str) -> str:
    """Capitalize the first letter and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def error_class(text: str) -> str:
    """Return the most frequent class of errors that the reason of a failed run names; empty without one."""
    found = FAILED.search(text)
    return found[1] if found else ""


def figure(value: float | None) -> str:
    """Format a value with three significant digits, or more if they precede the point; None as a dash."""
    if value is None:
        return NONE
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 2
    return f"{value:,.{decimals}f}"


def whole(value: int | None) -> str:
    """Format an integer with thousands separators; None as a dash."""
    return NONE if value is None else f"{value:,}"


def percentage(ratio: float) -> str:
    """Format a ratio, which is not negative, as a percentage with two significant digits or more."""
    percent = ratio * 100
    return f"{percent:,.0f} %" if percent >= 10 else f"{percent:.2g} %"


def utc(value: datetime) -> str:
    """Format a time in UTC, to the minute."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(seconds: float | None) -> str:
    """Format a duration in ms, s or min; None as a dash."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def amount(value: float | None, metric_name: str | None) -> str:
    """Format a value of the metric with its unit, a ratio as a percentage; None as a dash."""
    if value is None:
        return NONE
    unit = METRICS[metric_name].unit.symbol if metric_name and metric_name in METRICS else ""
    return percentage(value) if unit == "ratio" else f"{figure(value)} {unit}".rstrip()


def signed(change: float | None) -> str:
    """Format a relative change, as in "+30 %"; None as a dash."""
    if change is None:
        return NONE
    return f"{'+' if change > 0 else MINUS if change < 0 else ''}{percentage(abs(change))}"


def span(duration: timedelta) -> str:
    """Format how long an incident lasted, in minutes, hours or days."""
    minutes = round(duration.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
