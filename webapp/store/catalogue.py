"""What the readers' filters name: workloads and LLMs."""

from webapp.store import Connection


def workload_id(conn: Connection, name: str) -> int | None:
    """The id of the workload of that name."""
    return _id(conn, "SELECT id FROM workloads WHERE name = %s", name)


def llm_id(conn: Connection, name: str) -> int | None:
    """The id of the LLM of that name, archived or not."""
    return _id(conn, "SELECT id FROM llms WHERE name = %s", name)


def workload_names(conn: Connection) -> list[str]:
    """The names of all workloads, the oldest first."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT name FROM workloads ORDER BY id")
        return [name for (name,) in cursor.fetchall()]


def _id(conn: Connection, query: str, name: str) -> int | None:
    with conn.cursor() as cursor:
        cursor.execute(query, (name,))
        row = cursor.fetchone()
        return row[0] if row else None
