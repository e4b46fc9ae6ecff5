"""Incidents, their signals and their events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.store import Connection

SEVERITIES = ("minor", "major", "critical")
STATUSES = ("open", "resolved")
INCIDENTS = """
SELECT
    id, source, subject, severity, started_at, opened_at, updated_at, resolved_at, resolution, cause,
    acknowledged_at, note, reopened
FROM incidents
WHERE (%(incident_id)s IS NULL OR id = %(incident_id)s)
  AND (%(before)s IS NULL OR id < %(before)s)
  AND (%(status)s IS NULL OR (resolved_at IS NULL) = (%(status)s = 'open'))
  AND (%(severity)s IS NULL OR severity = %(severity)s)
  AND (%(source)s IS NULL OR source = %(source)s)
  AND (%(since)s IS NULL OR resolved_at IS NULL OR resolved_at >= %(since)s)
  AND (%(llm_id)s IS NULL OR EXISTS (
      SELECT FROM signals WHERE signals.incident_id = incidents.id AND signals.llm_id = %(llm_id)s
  ))
ORDER BY id DESC
LIMIT %(limit)s
"""
SIGNALS = """
SELECT
    incident_id, signals.id, kind, llms.name, scenarios.name, metrics.name, statistic, started_at,
    detected_at, ended_at, before, after, change, low, high
FROM signals
JOIN llms ON llms.id = llm_id
JOIN scenarios ON scenarios.id = scenario_id
LEFT JOIN metrics ON metrics.id = metric_id
WHERE incident_id = ANY(%s)
ORDER BY signals.id
"""


@dataclass(frozen=True)
class Signal:
    """One sign of an incident, see `webapp.models.incidents.Signal`; active until it has an `ended_at`."""

    id: int
    kind: str
    llm_name: str
    scenario: str
    metric_name: str | None
    statistic: str | None
    started_at: datetime
    detected_at: datetime
    ended_at: datetime | None
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Incident:
    """An incident with its signals, oldest first, see `webapp.models.incidents.Incident`."""

    id: int
    source: str
    subject: str
    severity: str
    started_at: datetime
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    cause: str | None
    acknowledged_at: datetime | None
    note: str | None
    reopened: int
    signals: tuple[Signal, ...]

    @property
    def status(self) -> str:
        """One of STATUSES."""
        return "resolved" if self.resolved_at else "open"

    @property
    def llm_names(self) -> list[str]:
        """The names of the affected LLMs, in the order in which they were."""
        return list(dict.fromkeys(signal.llm_name for signal in self.signals))

    @property
    def active_names(self) -> list[str]:
        """The names of the LLMs that are still affected, in the same order."""
        return list(dict.fromkeys(signal.llm_name for signal in self.signals if not signal.ended_at))


@dataclass(frozen=True)
class Event:
    """A state of an incident, see `webapp.models.incidents.IncidentEvent`."""

    number: int
    kind: str
    at: datetime
    state: dict[str, Any]


def read(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    incident_id: int | None = None,
    before: int | None = None,
    status: str | None = None,
    severity: str | None = None,
    source: str | None = None,
    since: datetime | None = None,
    llm_id: int | None = None,
    limit: int | None = None,
) -> list[Incident]:
    """Return the incidents that pass every filter, newest first.

    With `before`, those with a smaller id; with `since`, those that were open then or later.
    """
    filters = {
        "incident_id": incident_id,
        "before": before,
        "status": status,
        "severity": severity,
        "source": source,
        "since": since,
        "llm_id": llm_id,
        "limit": limit,
    }
    with conn.cursor() as cursor:
        cursor.execute(INCIDENTS, filters)
        rows = cursor.fetchall()
        cursor.execute(SIGNALS, ([row[0] for row in rows],))
        signals: dict[int, list[Signal]] = {}
        for number, *values in cursor.fetchall():
            signals.setdefault(number, []).append(Signal(*values))
    return [Incident(*(*row, tuple(signals.get(row[0], ())))) for row in rows]


def count_open(conn: Connection) -> int:
    """Return the number of open incidents."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM incidents WHERE resolved_at IS NULL")
        return cursor.fetchone()[0]


def events(conn: Connection, incident_id: int) -> list[Event]:
    """Return an incident's events, oldest first."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT number, kind, at, state FROM incident_events WHERE incident_id = %s ORDER BY number",
            (incident_id,),
        )
        return [Event(*row) for row in cursor.fetchall()]
