"""Deletion of what has expired: daily partitions, hourly rollups, rollups of single runs, self-checks."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from psycopg2 import sql

from webapp.settings import Settings
from webapp.store import Connection
from webapp.store.partitions import DAILY
from webapp.store.transactions import cancelled_after, execute_within

NEVER = datetime.min.replace(tzinfo=UTC)
# Key of the advisory lock under which one process at a time drops and deletes.
RETENTION_LOCK = 7_205_004
# Comment on a partition that is being dropped: one that an operator has detached, to keep it, lacks it.
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
    """An expired day of a table; its state is attached, detaching or detached."""

    table: str
    name: str
    state: str


def rollups_expired(settings: Settings, now: datetime) -> datetime:
    """Return when hourly rollups and those of runs have expired: before that time, or NEVER."""
    days = settings.rollup_retention_days
    return now - timedelta(days=days) if days else NEVER


def try_lock(conn: Connection) -> bool:
    """Take the retention lock until the transaction ends; False if another process has it."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (RETENTION_LOCK,))
        return cursor.fetchone()[0]


def expired_partitions(conn: Connection, before: date) -> list[Partition]:
    """Return the partitions of the days before `before`, partly dropped ones first."""
    with conn.cursor() as cursor:
        cursor.execute(PARTITIONS, {"tables": list(DAILY), "before": f"{before:%Y%m%d}", "expired": EXPIRED})
        return [Partition(*row) for row in cursor.fetchall()]


def drop(conn: Connection, partition: Partition, lock_timeout_s: float) -> None:
    """Detach the partition without blocking readers and writers, then drop it; resumes an interrupted call.

    The caller holds the retention lock, on a connection in autocommit mode. Raises
    psycopg2.errors.LockNotAvailable if the partition is still being read after `lock_timeout_s`.
    """
    name = sql.Identifier(partition.name)
    detach = sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}")
    table = sql.Identifier(partition.table)
    with conn.cursor() as cursor:
        if partition.state == "attached":
            cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(EXPIRED)))
            with cancelled_after(conn, lock_timeout_s):
                cursor.execute(detach.format(table, name, sql.SQL("CONCURRENTLY")))
        elif partition.state == "detaching":
            execute_within(cursor, lock_timeout_s, detach.format(table, name, sql.SQL("FINALIZE")))
        execute_within(cursor, lock_timeout_s, sql.SQL("DROP TABLE {}").format(name))


def delete_hours(conn: Connection, before: datetime, rows: int) -> int:
    """Delete at most `rows` hourly rollups that end by `before`; return their number, 0 if none is left."""
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
        rows,
    )


def delete_hourly_availability(conn: Connection, before: datetime, rows: int) -> int:
    """Delete at most `rows` counts of hours that end by `before`; return their number, 0 if none is left."""
    return _delete(
        conn,
        """
        DELETE FROM availability WHERE ctid IN (
            SELECT ctid FROM availability
            WHERE period = 'hour' AND starts_at <= %s - interval '1 hour'
            LIMIT %s FOR UPDATE SKIP LOCKED
        )
        """,
        before,
        rows,
    )


def delete_run_rollups(conn: Connection, before: datetime, rows: int) -> int:
    """Delete at most `rows` rollups of runs of slots before `before`; return their number, 0 if none is left.

    Rollups of runs that no generation shows yet stay: they have still to be merged into hours and days.
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
        rows,
    )


def delete_self_checks(conn: Connection, before: datetime, rows: int) -> int:
    """Delete at most `rows` errors of self-checks before `before`; return their number, 0 if none is left."""
    return _delete(
        conn,
        """
        DELETE FROM self_checks WHERE ctid IN (
            SELECT ctid FROM self_checks WHERE slot < %s LIMIT %s FOR UPDATE SKIP LOCKED
        )
        """,
        before,
        rows,
    )


def _delete(conn: Connection, statement: str, before: datetime, rows: int) -> int:
    with conn.cursor() as cursor:
        cursor.execute(statement, (before, rows))
        return cursor.rowcount
