"""Settings of one transaction: those of a session would reach others' transactions through a pooler."""

from webapp.store import Connection


def limit_lock_waits(conn: Connection, seconds: float) -> None:
    """Raise psycopg2.errors.LockNotAvailable where this transaction waits longer than that for a lock."""
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = %s", (f"{max(1, round(seconds * 1000))}ms",))


def notice_dead_client(conn: Connection) -> None:
    """Let the server end this transaction, and free its locks, within a second of this process's death.

    By default, a statement that waits for a lock is only given up once it has been granted.
    """
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL client_connection_check_interval = '1s'")
