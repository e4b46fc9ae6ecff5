"""Texts about incidents, which name LLMs and metrics but never servers."""

from datetime import timedelta

from llm_measure.metrics import METRICS
from webapp.page.text import NONE, figure, label
from webapp.store.incidents import Incident, Signal

MINUS = "\N{MINUS SIGN}"
GRAVEST_FIRST = ("down", "degraded", "change")


def title(incident: Incident) -> str:
    """Return what is wrong with which LLM, as in "GPT-4o: Time to first token 30 % higher"."""
    if not incident.signals:
        return f"Incident {incident.id}"
    signals = [signal for signal in incident.signals if not signal.ended_at] or list(incident.signals)
    gravest = min(signals, key=_order)
    others = len(incident.llm_names) - 1
    more = f" and {others} more" if others else ""
    return f"{gravest.llm_name}{more}: {summary(gravest)}"


def _order(signal: Signal) -> tuple[int, bool, float]:
    """Order signals by how grave they are; of changes, those of means come first, and the greatest."""
    return GRAVEST_FIRST.index(signal.kind), signal.statistic == "p95", -abs(signal.change or 0)


def summary(signal: Signal) -> str:
    """Return what a signal says about its LLM, as in "Time to first token 30 % higher"."""
    if signal.kind == "down":
        return "Down"
    if signal.metric_name is None:
        return "Degraded"
    name = f"{label(signal.metric_name)}{' (p95)' if signal.statistic == 'p95' else ''}"
    if signal.change is None:
        return f"{name} {amount(signal.after, signal.metric_name)}"
    return f"{name} {_size(abs(signal.change))} {'higher' if signal.change > 0 else 'lower'}"


def amount(value: float | None, metric_name: str | None) -> str:
    """Format a value of the metric with its unit, a ratio as a percentage; None as a dash."""
    if value is None:
        return NONE
    unit = METRICS[metric_name].unit.symbol if metric_name and metric_name in METRICS else ""
    return _size(value) if unit == "ratio" else f"{figure(value)} {unit}".rstrip()


def signed(change: float | None) -> str:
    """Format a relative change, as in "+30 %"; None as a dash."""
    if change is None:
        return NONE
    return f"{'+' if change > 0 else MINUS if change < 0 else ''}{_size(abs(change))}"


def span(duration: timedelta) -> str:
    """Format how long an incident lasted, in minutes, hours or days."""
    minutes = round(duration.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _size(ratio: float) -> str:
    """Format a ratio, which is not negative, as a percentage."""
    percent = ratio * 100
    return f"{percent:,.0f} %" if percent >= 10 else f"{percent:.2g} %"
