"""Scenarios: added when first measured, never changed."""

from typing import Any

from psycopg2.extras import Json

from webapp.store import Connection


def add(conn: Connection, name: str, description: str, definition: dict[str, Any]) -> None:
    """Add the scenario unless its name exists."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO scenarios (name, description, definition) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO NOTHING",
            (name, description, Json(definition)),
        )


def definition(conn: Connection, name: str) -> dict[str, Any] | None:
    """Return the scenario's definition; None if it is simulated or unknown."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT definition FROM scenarios WHERE name = %s", (name,))
        row = cursor.fetchone()
        return row[0] if row else None
