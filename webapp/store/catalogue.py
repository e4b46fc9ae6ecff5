"""What the readers' filters name: workloads and LLMs."""

from webapp.store import Connection


def workload_id(conn: Connection, name: str) -> int | None:
    """The id of the workload of that name."""
    return _id(conn, "SELECT id FROM workloads WHERE name = %s", name)


def llm_id(conn: Connection, name: str) -> int | None:
    """The id of the LLM of that name, archived or not."""
    return _id(conn, "SELECT id FROM llms WHERE name = %s", name)


def workload_names(conn: Connection, source: str | None = None) -> list[str]:
    """The names of all workloads, or of those that the source has runs of, the oldest first."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM workloads WHERE %(source)s IS NULL OR EXISTS ("
            "SELECT FROM runs WHERE source = %(source)s AND workload_id = workloads.id) ORDER BY id",
            {"source": source},
        )
        return [name for (name,) in cursor.fetchall()]


def _id(conn: Connection, query: str, name: str) -> int | None:
    with conn.cursor() as cursor:
        cursor.execute(query, (name,))
        row = cursor.fetchone()
        return row[0] if row else None
