"""What is watched, for Prometheus: incidents and availability, at a cost that does not grow with history."""

from dataclasses import dataclass
from datetime import datetime

from webapp.store import Connection, sql_file

RECENT_AVAILABILITY = sql_file("recent_availability")
OPEN_BY_SEVERITY = "SELECT severity, count(*) FROM incidents WHERE resolved_at IS NULL GROUP BY severity"
AFFECTED = """
SELECT source, llms.name, severity, min(opened_at)
FROM incidents
JOIN signals ON signals.incident_id = incidents.id
JOIN llms ON llms.id = signals.llm_id
WHERE resolved_at IS NULL AND ended_at IS NULL
GROUP BY source, llms.name, severity
ORDER BY source, llms.name, severity
"""
JUDGED = "SELECT source, max(slot) FROM watched_series GROUP BY source ORDER BY source"


@dataclass(frozen=True)
class Affected:
    """An LLM with signals of an open incident of that severity, which was opened at that time."""

    source: str
    llm_name: str
    severity: str
    opened_at: datetime


@dataclass(frozen=True)
class RecentAvailability:
    """The number of an LLM's runs in a scenario by how they ended, of which there is at least one."""

    source: str
    scenario: str
    llm_name: str
    finished: int
    failed: int

    @property
    def ratio(self) -> float:
        """The share of runs that succeeded."""
        return self.finished / (self.finished + self.failed)


def open_incidents(conn: Connection) -> dict[str, int]:
    """Return the number of open incidents by severity, without severities that have none."""
    with conn.cursor() as cursor:
        cursor.execute(OPEN_BY_SEVERITY)
        return dict(cursor.fetchall())


def affected(conn: Connection) -> list[Affected]:
    """Return the LLMs that open incidents affect now."""
    with conn.cursor() as cursor:
        cursor.execute(AFFECTED)
        return [Affected(*row) for row in cursor.fetchall()]


def recent_availability(conn: Connection, since: datetime) -> list[RecentAvailability]:
    """Return the availability of every ranked LLM over the hours that began after `since`."""
    with conn.cursor() as cursor:
        cursor.execute(RECENT_AVAILABILITY, {"since": since})
        return [RecentAvailability(*row) for row in cursor.fetchall()]


def last_judged(conn: Connection) -> dict[str, datetime]:
    """Return the slot of the newest run whose series was searched for a change, by source."""
    with conn.cursor() as cursor:
        cursor.execute(JUDGED)
        return dict(cursor.fetchall())
