"""Sessions of the page that were ended by signing out; each is kept until its cookie has expired."""

from datetime import datetime

from webapp.store import Connection


def insert(conn: Connection, session_id: str, expires_at: datetime) -> None:
    """Store the end of a session unless it is already stored; delete those whose cookies have expired."""
    with conn.cursor() as cursor:
        cursor.execute("DELETE FROM ended_sessions WHERE expires_at <= now()")
        cursor.execute(
            "INSERT INTO ended_sessions (id, expires_at) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING",
            (session_id, expires_at),
        )


def read_ids(conn: Connection) -> list[str]:
    """Return the ids of the ended sessions whose cookies have not expired."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT id FROM ended_sessions WHERE expires_at > now() ORDER BY id")
        return [session_id for (session_id,) in cursor.fetchall()]
