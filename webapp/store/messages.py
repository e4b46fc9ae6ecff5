"""The outbox: messages that are sent, or given up, after the transaction that stored them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extras import Json

from webapp.store import Connection

# One process at a time routes an event, and the later events of its incident after it.
UNROUTED = """
SELECT incident_id, number, kind, at, state
FROM incident_events
WHERE NOT routed
ORDER BY incident_id, number
LIMIT %s
FOR UPDATE
"""
# Messages about one incident are sent to a target in their order. What is locked is being sent.
CLAIM = """
SELECT id, target, key, body, created_at, attempts
FROM messages
WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at <= %(now)s AND target <> ALL(%(failing)s)
  AND NOT EXISTS (
      SELECT FROM messages AS earlier
      WHERE earlier.target = messages.target AND earlier.id < messages.id
        AND earlier.sent_at IS NULL AND earlier.given_up_at IS NULL
        AND earlier.body #> '{incident,id}' = messages.body #> '{incident,id}'
  )
ORDER BY id
LIMIT 1
FOR UPDATE SKIP LOCKED
"""
WAITING = """
SELECT EXISTS (SELECT FROM incident_events WHERE NOT routed) OR EXISTS (
    SELECT FROM messages WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at <= %s
)
"""


@dataclass(frozen=True)
class Event:
    """A state of an incident that has no messages yet, see `webapp.models.incidents.IncidentEvent`."""

    incident_id: int
    number: int
    kind: str
    at: datetime
    state: dict[str, Any]

    @property
    def key(self) -> str:
        """What identifies the event's message at each target."""
        return f"incident-{self.incident_id}-{self.number}"


@dataclass(frozen=True)
class Message:
    """A message that is to be sent, see `webapp.models.incidents.Message`."""

    id: int
    target: str
    key: str
    body: dict[str, Any]
    created_at: datetime
    attempts: int


def lock_unrouted(conn: Connection, limit: int) -> list[Event]:
    """Lock and return events without messages, in the order of each incident; waits for who routes them."""
    with conn.cursor() as cursor:
        cursor.execute(UNROUTED, (limit,))
        return [Event(*row) for row in cursor.fetchall()]


def mark_routed(conn: Connection, event: Event) -> None:
    """Record that the event's messages are stored."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE incident_events SET routed = true WHERE incident_id = %s AND number = %s",
            (event.incident_id, event.number),
        )


def insert(  # noqa: PLR0913, PLR0917  (each is a column)
    conn: Connection, target: str, key: str, body: dict[str, Any], created_at: datetime, due_at: datetime
) -> bool:
    """Store a message; False if the target has one of that key."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO messages (target, key, body, created_at, due_at) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (target, key) DO NOTHING",
            (target, key, Json(body), created_at, due_at),
        )
        return bool(cursor.rowcount)


def hasten(conn: Connection, target: str, incident_id: int, now: datetime) -> None:
    """Make the target's messages about the incident due that nobody has tried to send yet."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE messages SET due_at = %(now)s WHERE target = %(target)s AND due_at > %(now)s"
            " AND attempts = 0 AND sent_at IS NULL AND given_up_at IS NULL"
            " AND body #> '{incident,id}' = to_jsonb(%(incident_id)s::bigint)",
            {"target": target, "incident_id": incident_id, "now": now},
        )


def claim(conn: Connection, now: datetime, failing: Collection[str] = ()) -> Message | None:
    """Lock and return a message that is due, of a target that is not failing; None if there is none.

    Until the transaction ends, no other process gets it.
    """
    with conn.cursor() as cursor:
        cursor.execute(CLAIM, {"now": now, "failing": list(failing)})
        row = cursor.fetchone()
        return Message(*row) if row else None


def mark_sent(conn: Connection, message: Message, now: datetime) -> None:
    """Record that the message was sent."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE messages SET sent_at = %s, attempts = attempts + 1, error = NULL WHERE id = %s",
            (now, message.id),
        )


def mark_failed(conn: Connection, message: Message, error: str, due_at: datetime) -> None:
    """Record a failed attempt, and when to try again."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE messages SET due_at = %s, attempts = attempts + 1, error = %s WHERE id = %s",
            (due_at, error, message.id),
        )


def give_up(conn: Connection, message: Message, error: str, now: datetime) -> None:
    """Record the last failed attempt."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE messages SET given_up_at = %s, attempts = attempts + 1, error = %s WHERE id = %s",
            (now, error, message.id),
        )


def give_up_others(conn: Connection, targets: Collection[str], error: str, now: datetime) -> int:
    """Give up the pending messages of all other targets; return their number."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE messages SET given_up_at = %s, error = %s"
            " WHERE sent_at IS NULL AND given_up_at IS NULL AND target <> ALL(%s)",
            (now, error, list(targets)),
        )
        return cursor.rowcount


def are_waiting(conn: Connection, now: datetime) -> bool:
    """Return whether there is an event without messages, or a message that is due."""
    with conn.cursor() as cursor:
        cursor.execute(WAITING, (now,))
        return cursor.fetchone()[0]


def delete_before(conn: Connection, before: datetime, rows: int) -> int:
    """Delete at most `rows` messages of before that time that nobody will send; return their number."""
    with conn.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM messages WHERE id IN (
                SELECT id FROM messages
                WHERE created_at < %s AND (sent_at IS NOT NULL OR given_up_at IS NOT NULL)
                LIMIT %s FOR UPDATE SKIP LOCKED
            )
            """,
            (before, rows),
        )
        return cursor.rowcount
