"""Workloads: added when first measured, never changed."""

from typing import Any

from psycopg2.extras import Json

from webapp.store import Connection


def declare(conn: Connection, name: str, description: str, definition: dict[str, Any]) -> None:
    """Add the workload if there is none of that name."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO workloads (name, description, definition) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO NOTHING",
            (name, description, Json(definition)),
        )


def definition(conn: Connection, name: str) -> dict[str, Any] | None:
    """The definition of the workload of that name; None if it has none, being simulated."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT definition FROM workloads WHERE name = %s", (name,))
        row = cursor.fetchone()
        return row[0] if row else None
