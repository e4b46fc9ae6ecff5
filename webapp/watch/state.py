"""The state of an incident in words and figures, as its events and messages have it."""

from datetime import UTC, datetime
from math import log1p
from typing import Any

from llm_measure.metrics import METRICS
from webapp.store.incidents import Incident, Signal

# Of signals, the worst last.
KINDS = ("change", "degraded", "down")
# Of metrics that changed together, the first of these is in the title, so that it stays the same while
# others join: they are what users notice, in that order.
FIRST = ("ttft", "e2e_latency", "tps", "rps")


def state(incident: Incident) -> dict[str, Any]:
    """Return the incident as JSON has it: all that a message about it says."""
    return {
        "severity": incident.severity,
        "subject": incident.subject,
        "source": incident.source,
        "llms": incident.llm_names,
        "title": title(incident),
        "cause": incident.cause,
        "signals": [_signal(signal) for signal in incident.signals],
        "started_at": _date(incident.started_at),
        "opened_at": _date(incident.opened_at),
        "resolved_at": _date(incident.resolved_at),
        "resolution": incident.resolution,
        "note": incident.note,
    }


def title(incident: Incident) -> str:
    """Return the worst of the incident in a few words, such as "GPT-4o: time to first token 30 % slower".

    Of an open incident, only active signals count, and no 95th percentile whose mean is among them.
    """
    signals = [signal for signal in incident.signals if not signal.ended_at] or list(incident.signals)
    means = {_series(signal) for signal in signals if signal.statistic != "p95"}
    worst = max(
        (signal for signal in signals if signal.statistic != "p95" or _series(signal) not in means),
        key=_weight,
    )
    more = len({signal.llm_name for signal in signals}) - 1
    others = f" and {more} more LLM{'s' if more > 1 else ''}" if more else ""
    return f"{worst.llm_name}{others}: {words(worst)}"


def words(signal: Signal) -> str:
    """Return what the signal says of its LLM, such as "time to first token 30 % slower"."""
    if signal.kind == "down":
        return "down"
    name = signal.metric_name or ""
    # Stored signals may have a metric that is no longer registered.
    is_known = name in METRICS
    what = METRICS[name].inline_title if is_known else name
    if signal.kind == "degraded":
        unit = METRICS[name].unit.symbol if is_known else "ratio"
        after = signal.after or 0.0
        return f"{what} {100 * after:.0f} %" if unit == "ratio" else f"{what} {after:.3g} {unit}"
    change = signal.change or 0.0
    risen, fallen = (
        ("slower", "faster") if is_known and METRICS[name].better == "lower" else ("higher", "lower")
    )
    of = "p95 of " if signal.statistic == "p95" else ""
    return f"{of}{what} {100 * abs(change):.0f} % {risen if change > 0 else fallen}"


def _series(signal: Signal) -> tuple[str, str, str | None]:
    return signal.llm_name, signal.scenario, signal.metric_name


def _weight(signal: Signal) -> tuple[int, int, float]:
    name = signal.metric_name
    rank = -FIRST.index(name) if name in FIRST else -len(FIRST)
    return KINDS.index(signal.kind), rank, abs(log1p(signal.change or 0.0))


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "kind": signal.kind,
        "llm": signal.llm_name,
        "scenario": signal.scenario,
        "metric": signal.metric_name,
        "statistic": signal.statistic,
        "before": signal.before,
        "after": signal.after,
        "change": signal.change,
        "low": signal.low,
        "high": signal.high,
        "started_at": _date(signal.started_at),
        "ended_at": _date(signal.ended_at),
    }


def _date(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
