"""Daily partitions, made before they are needed; by UTC day of `recorded_at`, named <table>_<yyyymmdd>."""

from datetime import date, timedelta

from psycopg2 import sql

from webapp.store import Connection

# The tables that are partitioned so.
DAILY = ("points", "requests")
# Serialises the making of partitions; any number that nothing else locks will do.
PARTITION_LOCK = 7_205_002
DAYS_AHEAD = 2


def ensure(conn: Connection, day: date, ahead: int = DAYS_AHEAD) -> None:
    """Create the partitions of `day` and the days ahead that any of the tables lacks; the caller commits.

    Each is made as a table of its own and then attached: that, unlike CREATE TABLE ... PARTITION OF, lets
    readers and writers of other days go on.
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
    """The name of the table's partition of that day."""
    return f"{table}_{day:%Y%m%d}"


def _missing(conn: Connection, days: list[date]) -> list[tuple[str, date]]:
    """The tables and days that have no partition; read from the catalogue itself, whose cache may lag."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = ANY(%s::regclass[])",
            (list(DAILY),),
        )
        present = {relname for (relname,) in cursor.fetchall()}
    return [(table, day) for table in DAILY for day in days if name(table, day) not in present]
