"""Clocks: how far those of this machine and of PostgreSQL may differ, and slots that both call the future."""

from datetime import UTC, datetime, timedelta

from webapp.store import Connection

# How far two clocks may differ.
TOLERANCE = timedelta(seconds=60)


class FutureSlotError(Exception):
    """A slot lies in the future; the message states by how much."""


def present(conn: Connection) -> tuple[datetime, datetime]:
    """Return the present by this machine's clock and PostgreSQL's: by the one behind, and the one ahead."""
    now, database_now = datetime.now(UTC), _database_now(conn)
    return min(now, database_now), max(now, database_now)


def latest_now(conn: Connection) -> datetime:
    """Return the present by the clock of this machine or of PostgreSQL, whichever is ahead."""
    return present(conn)[1]


def earliest_now(conn: Connection) -> datetime:
    """Return the present by the clock of this machine or of PostgreSQL, whichever is behind."""
    return present(conn)[0]


def ahead_seconds(conn: Connection) -> float:
    """Return the seconds by which PostgreSQL's clock is ahead of this machine's, negative if it is behind."""
    return (_database_now(conn) - datetime.now(UTC)).total_seconds()


def refuse_future(conn: Connection, slot: datetime) -> None:
    """Raise FutureSlotError if the slot lies in the future by both clocks.

    The scheduler's is the third clock: a slot is refused only if that one alone is ahead.
    """
    ahead = slot - latest_now(conn)
    if ahead > TOLERANCE:
        raise FutureSlotError(
            f"slot {slot.isoformat()}: {ahead.total_seconds():.0f} s in the future; check Redis' clock"
        )


def _database_now(conn: Connection) -> datetime:
    with conn.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
