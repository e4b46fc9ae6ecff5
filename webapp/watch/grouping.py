"""Incidents opened, updated and resolved by what was found: one for each subject, whatever shows it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from llm_measure.metrics import METRICS
from webapp.settings import Settings
from webapp.store import Connection, incidents, signals
from webapp.store.incidents import SEVERITIES, Incident, Signal
from webapp.watch.events import record
from webapp.watch.findings import Findings, Found
from webapp.watch.state import KINDS

# A change by this factor for the worse is major.
MAJOR = 1.5


def group(conn: Connection, settings: Settings, findings: Findings, now: datetime) -> None:
    """Bring the incidents up to date, with one event at most for each."""
    cool_down = timedelta(seconds=settings.watch_cool_down)
    changed = set(findings.changed)
    for (source, subject), found in groupby(sorted(findings.new, key=_subject), _subject):
        worst_first = sorted(found, key=lambda each: KINDS.index(each.signal.kind), reverse=True)
        incident_id, event = _incident(conn, source, subject, worst_first, now, cool_down)
        signals.insert(conn, incident_id, [each.signal for each in worst_first])
        cause = next((each.cause for each in worst_first if each.cause), None)
        _update(conn, incident_id, event, cause, now)
        changed.discard(incident_id)
    for incident_id in sorted(changed):
        _update(conn, incident_id, None, None, now)


def severity(signal: Signal) -> str:
    """Return one of SEVERITIES."""
    if signal.kind != "change":
        return "critical" if signal.kind == "down" else "major"
    name = signal.metric_name or ""
    if name not in METRICS:  # any more
        return "minor"
    before, after = signal.before or 1.0, signal.after or 1.0
    lower_is_better = METRICS[name].better == "lower"
    return "major" if (after / before if lower_is_better else before / after) >= MAJOR else "minor"


def worst(severities: Iterable[str]) -> str:
    """Return the highest of the severities."""
    return max(severities, key=SEVERITIES.index)


def _subject(found: Found) -> tuple[str, str]:
    return found.signal.key.source, found.subject


def _incident(  # noqa: PLR0913, PLR0917  (private; each is part of an incident)
    conn: Connection,
    source: str,
    subject: str,
    found: Sequence[Found],
    now: datetime,
    cool_down: timedelta,
) -> tuple[int, str | None]:
    """Return the incident that the new signals belong to, and the kind of event if it opens with them."""
    if known := incidents.find_open(conn, source, subject):
        return known, None
    if reopened := incidents.reopen(conn, source, subject, now, cool_down):
        return reopened, "reopened"
    opened = incidents.insert(
        conn,
        source=source,
        subject=subject,
        severity=SEVERITIES[0],
        started_at=min(each.signal.started_at for each in found),
        opened_at=max(each.signal.detected_at for each in found),
        now=now,
    )
    return opened, "opened"


def _update(conn: Connection, incident_id: int, event: str | None, cause: str | None, now: datetime) -> None:
    """Derive the incident from its signals, and record the event, or the one that follows from them."""
    (incident,) = incidents.read(conn, incident_id=incident_id)
    active = [signal for signal in incident.signals if not signal.ended_at]
    if not active:
        incidents.resolve(conn, incident_id, _resolution(conn, incident), now)
        record(conn, incident_id, "resolved", now)
        return
    # As high as it has been: an incident that gets less severe is not over.
    highest = worst([incident.severity, *map(severity, active)])
    if not event and (highest != incident.severity or _has_news(conn, incident_id, active)):
        event = "updated"
    if event or cause:
        incidents.update(conn, incident_id, highest, cause, now)
    if event:
        record(conn, incident_id, event, now)


def _has_news(conn: Connection, incident_id: int, active: Sequence[Signal]) -> bool:
    """Return whether a signal has an LLM or a kind of which no event said so since the incident last opened.

    One slowdown shows in many metrics and scenarios, which join one after another: they are one message.
    """
    said: set[tuple[str, str]] = set()
    for event in incidents.events(conn, incident_id):
        if event.kind == "reopened":
            said.clear()
        for signal in event.state["signals"]:
            if not signal["ended_at"]:
                said |= {("kind", signal["kind"]), ("llm", signal["llm"])}
    return any(not {("kind", each.kind), ("llm", each.llm_name)} <= said for each in active)


def _resolution(conn: Connection, incident: Incident) -> str:
    """Return how the incident ended: as its last signal did."""
    return "accepted" if signals.is_last_accepted(conn, incident.id) else "recovered"
