"""What users do with an incident: acknowledge it, or close it."""

from collections.abc import Callable
from contextlib import closing

from redis import Redis

from webapp import generation
from webapp.settings import Settings
from webapp.store import Connection, connect, incidents

Action = Callable[[Connection, int, str | None], bool]

ACKNOWLEDGE = """
UPDATE incidents
SET acknowledged_at = clock_timestamp(), updated_at = clock_timestamp(), note = coalesce(%(note)s, note)
WHERE id = %(incident_id)s AND resolved_at IS NULL
"""
CLOSE = """
UPDATE incidents
SET resolved_at = clock_timestamp(), updated_at = clock_timestamp(), resolution = 'closed',
    note = coalesce(%(note)s, note)
WHERE id = %(incident_id)s AND resolved_at IS NULL
"""
END_SIGNALS = """
UPDATE signals SET ended_at = clock_timestamp() WHERE incident_id = %(incident_id)s AND ended_at IS NULL
"""
# The newest state of the incident, with what has changed.
RECORD = """
INSERT INTO incident_events (incident_id, number, kind, at, state)
SELECT
    incident_id, number + 1, %(kind)s, clock_timestamp(),
    state || jsonb_build_object('note', incidents.note, 'resolution', incidents.resolution)
FROM incident_events
JOIN incidents ON incidents.id = incident_id
WHERE incident_id = %(incident_id)s
ORDER BY number DESC
LIMIT 1
"""


def perform(settings: Settings, redis: Redis, action: Action, incident_id: int, note: str | None) -> bool:
    """Acknowledge or close an incident, visible to every reader as soon as this returns; `action` is which.

    Returns False if the incident is unknown or already resolved. Raises psycopg2.errors.LockNotAvailable if
    other changes take too long.
    """
    with closing(connect(settings, "llm-benchmark incidents")) as conn:
        # Every announced change makes all cached responses unreachable.
        if not incidents.read(conn, incident_id=incident_id, status="open"):
            return False
        conn.rollback()
        with generation.change(conn, redis):
            return action(conn, incident_id, note)


def acknowledge(conn: Connection, incident_id: int, note: str | None) -> bool:
    """Acknowledge an incident, and keep the note, if there is one; return whether the incident is open."""
    return _act(conn, ACKNOWLEDGE, incident_id=incident_id, note=note, kind="acknowledged")


def close(conn: Connection, incident_id: int, note: str | None) -> bool:
    """Close an incident, and keep the note, if there is one; return whether the incident was open."""
    arguments = {"incident_id": incident_id, "note": note, "kind": "closed"}
    with conn.cursor() as cursor:
        cursor.execute(END_SIGNALS, arguments)
    return _act(conn, CLOSE, **arguments)


def _act(conn: Connection, statement: str, **arguments: object) -> bool:
    with conn.cursor() as cursor:
        cursor.execute(statement, arguments)
        if not cursor.rowcount:
            return False
        cursor.execute(RECORD, arguments)
    return True
