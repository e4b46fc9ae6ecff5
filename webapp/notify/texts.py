"""Messages in words: a title and a text for people, from the same body that webhooks send as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from llm_measure.metrics import METRICS
from webapp.scenarios import in_words

MOST_LINES = 20  # of a kind; the page and the API have the others
EVENTS = {
    "opened": "Opened",
    "updated": "Updated",
    "reopened": "Reopened",
    "acknowledged": "Acknowledged",
    "resolved": "Resolved",
    "closed": "Closed",
}


def title(body: dict[str, Any]) -> str:
    """Return the message's title."""
    if "incident" in body:
        state = body["incident"]
        return f"{EVENTS[body['event']]} ({state['severity']}): {state['title']}"
    if "digest" in body:
        return f"LLM Benchmark: {body['digest']['period']} digest"
    return "LLM Benchmark: test message"


def text(body: dict[str, Any]) -> str:
    """Return the message's text, of one line or more."""
    if "incident" in body:
        return "\n".join(_incident(body["incident"]))
    if "digest" in body:
        return "\n".join(_digest(body["digest"]))
    return "This target receives the messages of LLM Benchmark."


def _incident(state: dict[str, Any]) -> Iterator[str]:
    yield f"{state['subject']} ({state['source']}), incident {state['id']}"
    yield from _listed([_signal(signal) for signal in state["signals"]])
    if state.get("cause"):
        yield f"Cause: {state['cause']}"
    if state.get("note"):
        yield f"Note: {state['note']}"
    if state.get("resolved_at"):
        yield f"Resolved: {_time(state['resolved_at'])} ({state['resolution']})"


def _signal(signal: dict[str, Any]) -> str:
    where = f"{signal['llm']}, {in_words(signal['scenario'])}: "
    ended = f", ended {_time(signal['ended_at'])}" if signal["ended_at"] else ""
    since = f" since {_time(signal['started_at'])}{ended}"
    if signal["kind"] == "down":
        return f"{where}down{since}"
    if signal["kind"] == "degraded":
        bound = f"{_number(signal['after'])}, bound {_number(signal['before'])}"
        return f"{where}{signal['metric']} {bound}{since}"
    return where + _change(signal) + since


def _change(change: dict[str, Any]) -> str:
    unit = METRICS[change["metric"]].unit.symbol if change["metric"] in METRICS else ""
    interval = f"95 % interval {_percent(change['low'])} to {_percent(change['high'])}"
    return (
        f"{change['metric']} ({change['statistic']}) {_number(change['before'])} to"
        f" {_number(change['after'])} {unit}".rstrip()
        + f", {_percent(change['change'])} ({interval})"
    )


def _digest(digest: dict[str, Any]) -> Iterator[str]:
    yield f"{_time(digest['from'])} to {_time(digest['to'])}"
    for words, worse in (("Slower or worse", True), ("Faster or better", False)):
        changes = [each for each in digest["changes"] if each["worse"] is worse]
        yield from _section(
            words, [f"{each['llm']}, {in_words(each['scenario'])}: {_change(each)}" for each in changes]
        )
    yield from _section(
        "Open incidents",
        [f"{each['title']} ({each['severity']}), {each['opened_at'][:10]}" for each in digest["incidents"]],
    )
    yield from _section(
        "Availability",
        [f"{each['llm']} ({each['source']}): {100 * each['ratio']:.4g} %" for each in digest["availability"]],
    )
    yield from _section("Best", [_best(each) for each in digest["best"]])


def _best(best: dict[str, Any]) -> str:
    unit = METRICS[best["metric"]].unit.symbol
    shared = f", not distinguishable from {', '.join(best['ties'])}" if best["ties"] else ""
    where = f"{in_words(best['scenario'])}, {best['metric']}"
    return f"{where}: {best['llm']}, {_number(best['mean'])} {unit}{shared}"


def _section(heading: str, lines: list[str]) -> Iterator[str]:
    yield ""
    yield f"{heading}:" if lines else f"{heading}: none"
    yield from _listed(lines)


def _listed(lines: list[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"- and {len(lines) - MOST_LINES} more"


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    # Four digits, but never an exponent, which few people read.
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _percent(change: float | None) -> str:
    return "unknown" if change is None else f"{100 * change:+.0f} %"


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
