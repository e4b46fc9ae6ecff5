"""Workloads: added when first measured, never changed."""

from typing import Any

from psycopg2.extras import Json

from webapp.store import Connection


def declare(
    conn: Connection, name: str, description: str, definition: dict[str, Any]
) -> dict[str, Any] | None:
    """Add the workload if there is none of that name; the definition of the one that is there then."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO workloads (name, description, definition) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO NOTHING",
            (name, description, Json(definition)),
        )
        cursor.execute("SELECT definition FROM workloads WHERE name = %s", (name,))
        return cursor.fetchone()[0]
