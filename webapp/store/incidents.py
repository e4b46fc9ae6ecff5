"""Incidents, their signals and their events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg2.extras import Json

from webapp.store import Connection, storable

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
ORDER BY ended_at IS NOT NULL, array_position('{down,degraded,change}'::text[], kind::text), signals.id
"""
REOPEN = """
UPDATE incidents SET
    resolved_at = NULL, resolution = NULL, updated_at = %(now)s, reopened = reopened + 1
WHERE id = (
    SELECT id FROM incidents
    WHERE source = %(source)s AND subject = %(subject)s AND resolved_at > %(now)s - %(cool_down)s::interval
    ORDER BY resolved_at DESC LIMIT 1
)
RETURNING id
"""
# Clocks may differ, and no signal ends before the run that showed it.
CLOSE_SIGNALS = """
UPDATE signals SET ended_at = greatest(%s, detected_at), accepted = true
WHERE incident_id = %s AND ended_at IS NULL
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
    """An incident with its signals, see `webapp.models.incidents.Incident`."""

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
    signals: tuple[Signal, ...]  # those that have not ended first, by kind: down, degraded, change

    @property
    def status(self) -> str:
        """One of STATUSES."""
        return "resolved" if self.resolved_at else "open"

    @property
    def llm_names(self) -> list[str]:
        """The names of the affected LLMs, in the order of the signals."""
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


def is_open(conn: Connection, incident_id: int) -> bool:
    """Return whether there is an open incident of that id."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT FROM incidents WHERE id = %s AND resolved_at IS NULL", (incident_id,))
        return bool(cursor.rowcount)


def find_open(conn: Connection, source: str, subject: str) -> int | None:
    """Return the id of the subject's open incident; None without one."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM incidents WHERE source = %s AND subject = %s AND resolved_at IS NULL",
            (source, subject),
        )
        row = cursor.fetchone()
        return row[0] if row else None


def insert(  # noqa: PLR0913  (each is a column)
    conn: Connection,
    *,
    source: str,
    subject: str,
    severity: str,
    started_at: datetime,
    opened_at: datetime,
    now: datetime,
) -> int:
    """Open an incident and return its id."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incidents (source, subject, severity, started_at, opened_at, updated_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            (source, storable(subject), severity, started_at, opened_at, now),
        )
        return cursor.fetchone()[0]


def reopen(conn: Connection, source: str, subject: str, now: datetime, cool_down: timedelta) -> int | None:
    """Open the subject's last incident again if it was resolved within the cool-down, and return its id."""
    arguments = {"source": source, "subject": subject, "now": now, "cool_down": cool_down}
    with conn.cursor() as cursor:
        cursor.execute(REOPEN, arguments)
        row = cursor.fetchone()
        return row[0] if row else None


def update(conn: Connection, incident_id: int, severity: str, cause: str | None, now: datetime) -> None:
    """Set severity and, unless it is None, the cause of an incident."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents SET severity = %s, cause = coalesce(%s, cause), updated_at = %s WHERE id = %s",
            (severity, cause and storable(cause), now, incident_id),
        )


def resolve(conn: Connection, incident_id: int, resolution: str, now: datetime) -> None:
    """Resolve an incident, whose signals have all ended."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents SET resolved_at = %s, resolution = %s, updated_at = %s WHERE id = %s",
            (now, resolution, now, incident_id),
        )


def acknowledge(conn: Connection, incident_id: int, note: str | None, now: datetime) -> bool:
    """Acknowledge an open incident, with the note unless it is None; return False if it is not open."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents SET acknowledged_at = %s, note = coalesce(%s, note), updated_at = %s"
            " WHERE id = %s AND resolved_at IS NULL",
            (now, note and storable(note), now, incident_id),
        )
        return bool(cursor.rowcount)


def close(conn: Connection, incident_id: int, note: str | None, now: datetime) -> bool:
    """Close an open incident and accept the levels of its signals; return False if it is not open."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents SET resolved_at = %s, resolution = 'closed', note = coalesce(%s, note),"
            " updated_at = %s WHERE id = %s AND resolved_at IS NULL",
            (now, note and storable(note), now, incident_id),
        )
        if not cursor.rowcount:
            return False
        cursor.execute(CLOSE_SIGNALS, (now, incident_id))
        return True


def add_event(conn: Connection, incident_id: int, kind: str, state: dict[str, Any], now: datetime) -> None:
    """Add the incident's next event; the caller's transaction excludes others."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incident_events (incident_id, number, kind, at, state)"
            " SELECT %s, coalesce(max(number), 0) + 1, %s, %s, %s FROM incident_events"
            " WHERE incident_id = %s",
            (incident_id, kind, now, Json(state), incident_id),
        )
