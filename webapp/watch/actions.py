"""What users do with an incident: acknowledge it, or close it."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from redis import Redis

from llm_measure.text import printable
from webapp import generation
from webapp.settings import Settings
from webapp.store import Connection, connect, incidents
from webapp.watch.events import record

Action = Callable[[Connection, int, str | None], bool]

LONGEST_NOTE = 1_000


def clean_note(text: str) -> str | None:
    """Return the note on one line, with its control characters escaped; None if it is empty."""
    return printable(" ".join(text.split()))[:LONGEST_NOTE] or None


def perform(  # noqa: PLR0913  (the action's, and where it happens)
    settings: Settings,
    redis: Redis,
    action: Action,
    incident_id: int,
    note: str | None,
    *,
    wait_s: float = generation.WAIT_SECONDS,
) -> bool:
    """Acknowledge or close an incident, visible to every reader as soon as this returns; `action` is which.

    Returns False if the incident is unknown or already resolved. Raises psycopg2.errors.LockNotAvailable if
    other changes take longer than `wait_s`.
    """
    with closing(connect(settings, "llm-benchmark incidents")) as conn:
        # Every announced change makes all cached responses unreachable.
        if not incidents.is_open(conn, incident_id):
            return False
        conn.rollback()
        with generation.change(conn, redis, wait_s):
            return action(conn, incident_id, note)


def acknowledge(conn: Connection, incident_id: int, note: str | None) -> bool:
    """Record that somebody looks after an incident; False if it is unknown or already resolved.

    Part of a transaction that raises the generation, see `perform`.
    """
    now = datetime.now(UTC)
    if not incidents.acknowledge(conn, incident_id, note, now):
        return False
    record(conn, incident_id, "acknowledged", now)
    return True


def close(conn: Connection, incident_id: int, note: str | None) -> bool:
    """Resolve an incident, whose levels are normal from now on; False if it is unknown or already resolved.

    Part of a transaction that raises the generation, see `perform`.
    """
    now = datetime.now(UTC)
    if not incidents.close(conn, incident_id, note, now):
        return False
    record(conn, incident_id, "closed", now)
    return True
