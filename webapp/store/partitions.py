"""Daily partitions, created before they are needed: by UTC day of `recorded_at`, named <table>_<yyyymmdd>."""

from datetime import UTC, date, datetime, timedelta

from psycopg2 import sql

from webapp.store import Connection

# The tables with daily partitions.
DAILY = ("points", "requests")
# Key of the advisory lock under which partitions are created; any number that nothing else locks.
PARTITION_LOCK = 7_205_002
DAYS_AHEAD = 2


def ensure(conn: Connection, day: date, ahead: int = DAYS_AHEAD) -> None:
    """Create the missing partitions of `day` and the days after it, in every table.

    Processes that create partitions wait for each other until they commit. Each partition is created as a
    separate table and then attached: unlike CREATE TABLE ... PARTITION OF, that does not block readers and
    writers of other days.
    """
    days = [day + timedelta(days=later) for later in range(ahead + 1)]
    if not _missing(conn, days):
        return
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (PARTITION_LOCK,))
        for table, missing in _missing(conn, days):
            parent, child = sql.Identifier(table), sql.Identifier(name(table, missing))
            cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(child, parent))
            cursor.execute(
                sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                    parent,
                    child,
                    sql.Literal(f"{missing:%Y-%m-%d} 00:00:00+00"),
                    sql.Literal(f"{missing + timedelta(days=1):%Y-%m-%d} 00:00:00+00"),
                )
            )


def name(table: str, day: date) -> str:
    """Return the name of the table's partition of that day."""
    return f"{table}_{day:%Y%m%d}"


def days(conn: Connection, table: str) -> set[date]:
    """Return the days of which the table has a partition."""
    return {
        datetime.strptime(relname[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
        for relname in _present(conn)
        if relname.startswith(f"{table}_")
    }


def _missing(conn: Connection, days: list[date]) -> list[tuple[str, date]]:
    """Return the tables and days that have no partition."""
    present = _present(conn)
    return [(table, day) for table in DAILY for day in days if name(table, day) not in present]


def _present(conn: Connection) -> set[str]:
    """Return the names of all partitions.

    Queried from pg_inherits, since to_regclass relies on a cache that may lag behind other sessions.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = ANY(%s::regclass[])",
            (list(DAILY),),
        )
        return {relname for (relname,) in cursor.fetchall()}
