"""Scenarios: added when first measured, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extras import Json

from webapp.store import Connection

MEASURED = """
SELECT scenarios.name
FROM metric_means AS means
JOIN scenarios ON scenarios.id = means.scenario_id
JOIN llms ON llms.id = means.llm_id
WHERE means.time_window = 'latest'
  AND means.source = 'measurement'
  AND CASE WHEN %(llm_names)s = '{}' THEN llms.archived_at IS NULL ELSE llms.name = ANY(%(llm_names)s) END
GROUP BY scenarios.id
ORDER BY count(DISTINCT llms.id) DESC, scenarios.id
"""


@dataclass(frozen=True)
class Objectives:
    """What a scenario asks for: bounds by metric, in the metric's unit."""

    scenario: str
    slo: dict[str, float]


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


def objectives(conn: Connection, names: Sequence[str]) -> dict[int, Objectives]:
    """Return the objectives of the scenarios with these names, by the scenario's id."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT id, name, definition -> 'slo' FROM scenarios WHERE name = ANY(%s)", (list(names),)
        )
        return {id: Objectives(name, slo or {}) for id, name, slo in cursor.fetchall()}


def measured(conn: Connection, llm_names: list[str]) -> list[str]:
    """Return the scenarios with measured values of these LLMs, or of any ranked one; most LLMs first."""
    with conn.cursor() as cursor:
        cursor.execute(MEASURED, {"llm_names": llm_names})
        return [name for (name,) in cursor.fetchall()]
