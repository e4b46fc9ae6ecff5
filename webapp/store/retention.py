"""What is old enough to go: whole daily partitions, hourly rollups, and the rollups of single runs."""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg2 import sql

from webapp.store import Connection
from webapp.store.partitions import DAILY

# Held by whoever drops and deletes, for as long as the connection lives.
RETENTION_LOCK = 7_205_004
# How long a partition waits for its readers. They, and all others, go on meanwhile.
LOCK_TIMEOUT = "5s"
BATCH_ROWS = 5_000
# On a partition that is on its way out, so that one that somebody else has detached, to keep it, is kept.
EXPIRED = "expired: llm-benchmark drops it"

PARTITIONS = """
SELECT
    parents.parent,
    relname,
    CASE
        WHEN inhdetachpending IS NULL THEN 'detached'
        WHEN inhdetachpending THEN 'detaching'
        ELSE 'attached'
    END
FROM unnest(%(tables)s) AS parents (parent)
JOIN pg_class
    ON relname ~ ('^' || parent || '_[0-9]{8}$')
    AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = parent::regclass)
LEFT JOIN pg_inherits ON inhrelid = pg_class.oid AND inhparent = parent::regclass
WHERE relkind = 'r'
  AND relname < parent || '_' || %(before)s
  AND (inhrelid IS NOT NULL OR obj_description(pg_class.oid, 'pg_class') = %(expired)s)
ORDER BY inhdetachpending IS NOT TRUE, relname
"""


@dataclass(frozen=True)
class Partition:
    """A table's day that may go, and how far it has gone: attached, detaching or detached."""

    table: str
    name: str
    state: str


def try_lock(conn: Connection) -> bool:
    """Take the turn to drop and delete, for as long as the connection lives; False if another one has it."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (RETENTION_LOCK,))
        return cursor.fetchone()[0]


def unlock(conn: Connection) -> None:
    """Give the turn back."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", (RETENTION_LOCK,))


def expired_partitions(conn: Connection, before: date) -> list[Partition]:
    """The partitions of the days before that day, what was begun first."""
    with conn.cursor() as cursor:
        cursor.execute(PARTITIONS, {"tables": list(DAILY), "before": f"{before:%Y%m%d}", "expired": EXPIRED})
        return [Partition(*row) for row in cursor.fetchall()]


def drop(conn: Connection, partition: Partition) -> None:
    """Detach the partition while everyone else goes on, then drop it; goes on where an earlier call ended.

    Only in one's turn. Raises psycopg2.errors.LockNotAvailable if someone reads it for too long.
    """
    name = sql.Identifier(partition.name)
    detach = sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}")
    table = sql.Identifier(partition.table)
    with conn.cursor() as cursor:
        cursor.execute("SET lock_timeout = %s", (LOCK_TIMEOUT,))
        if partition.state == "attached":
            cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(EXPIRED)))
            cursor.execute(detach.format(table, name, sql.SQL("CONCURRENTLY")))
        elif partition.state == "detaching":
            cursor.execute(detach.format(table, name, sql.SQL("FINALIZE")))
        cursor.execute(sql.SQL("DROP TABLE {}").format(name))


def delete_hours(conn: Connection, before: datetime) -> int:
    """Delete a batch of the hourly rollups that end by then; return how many, 0 when none is left."""
    return _delete(
        conn,
        """
        DELETE FROM period_rollups_hours WHERE ctid IN (
            SELECT ctid FROM period_rollups_hours
            WHERE starts_at <= %s - interval '1 hour'
            LIMIT %s FOR UPDATE SKIP LOCKED
        )
        """,
        before,
    )


def delete_run_rollups(conn: Connection, before: datetime) -> int:
    """Delete a batch of the rollups of shown runs of slots before then; return how many, 0 when none is left.

    Those of runs that no generation shows yet stay: hours, days and windows have still to be made of them.
    """
    return _delete(
        conn,
        """
        DELETE FROM rollups WHERE ctid IN (
            SELECT rollups.ctid FROM rollups
            JOIN runs ON runs.id = rollups.run_id
            WHERE runs.slot < %s AND runs.generation IS NOT NULL
            LIMIT %s FOR UPDATE OF rollups SKIP LOCKED
        )
        """,
        before,
    )


def delete_harness_errors(conn: Connection, before: datetime) -> int:
    """Delete a batch of the self-checks of slots before then; return how many, 0 when none is left."""
    return _delete(
        conn,
        """
        DELETE FROM self_checks WHERE ctid IN (
            SELECT ctid FROM self_checks WHERE slot < %s LIMIT %s FOR UPDATE SKIP LOCKED
        )
        """,
        before,
    )


def _delete(conn: Connection, statement: str, before: datetime) -> int:
    with conn.cursor() as cursor:
        cursor.execute(statement, (before, BATCH_ROWS))
        return cursor.rowcount
