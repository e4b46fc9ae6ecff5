"""Marks in charts over time: where incidents began and ended, and where a metric changed for the better."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import url_for

from webapp.page.text import label, sentence, signed
from webapp.store import Connection, changes, incidents
from webapp.store.incidents import Incident, Signal
from webapp.watch.state import words

# Of more incidents, those before these have no marks.
MOST_INCIDENTS = 100
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Mark:
    """A moment in a chart; `kind` is the severity of an incident that began, resolved, or better."""

    at: datetime
    kind: str
    text: str
    address: str | None


def of_signal(incident: Incident, signal: Signal, address: str | None = None) -> Iterator[Mark]:
    """Yield where the signal began and, unless it is active, where it ended."""
    yield Mark(signal.started_at, incident.severity, sentence(words(signal)), address)
    if signal.ended_at:
        yield Mark(signal.ended_at, "resolved", f"Resolved: {words(signal)}", address)


def of_llm(
    conn: Connection, *, source: str, scenario: tuple[int, str], llm: tuple[int, str], since: datetime | None
) -> dict[str | None, list[Mark]]:
    """Return the marks in an LLM's charts since that time, by metric; under None, those of all metrics.

    `scenario` and `llm` are (id, name).
    """
    since = since or EARLIEST
    found: dict[str | None, list[Mark]] = {}
    for incident in incidents.read(conn, source=source, llm_id=llm[0], since=since, limit=MOST_INCIDENTS):
        address = url_for("page.incident", incident_id=incident.id)
        for signal in incident.signals:
            if (signal.scenario, signal.llm_name) == (scenario[1], llm[1]):
                found.setdefault(signal.metric_name, []).extend(of_signal(incident, signal, address))
    for change in changes.read(conn, since=since, source=source, scenario_ids=[scenario[0]], llm_id=llm[0]):
        if not change.worse:
            text = f"{label(change.metric_name)} {signed(change.change)}, which is better"
            found.setdefault(change.metric_name, []).append(Mark(change.slot, "better", text, None))
    return {name: list(_joined(marks, since)) for name, marks in found.items()}


def on(metric_name: str, marks: Mapping[str | None, Sequence[Mark]]) -> list[Mark]:
    """Return the marks in the charts of a metric by time: its own, and those of all metrics."""
    return sorted([*marks.get(None, ()), *marks.get(metric_name, ())], key=lambda mark: mark.at)


def _joined(marks: Iterable[Mark], since: datetime) -> Iterator[Mark]:
    """Yield the marks since that time by time, those of one kind and moment as one."""
    texts: dict[tuple[datetime, str, str | None], list[str]] = {}
    for mark in marks:
        if mark.at >= since:
            texts.setdefault((mark.at, mark.kind, mark.address), []).append(mark.text)
    for (at, kind, address), parts in sorted(texts.items(), key=lambda item: item[0][0]):
        yield Mark(at, kind, "; ".join(dict.fromkeys(parts)), address)
