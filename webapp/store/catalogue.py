"""The names that filters use: scenarios, LLMs and metrics."""

from collections.abc import Sequence

from psycopg2.extras import execute_values

from llm_measure.metrics import METRICS
from webapp.store import Connection

# Costs one lookup in the unique index of runs per scenario, due to its order; EXISTS may scan the table.
SCENARIO_NAMES = """
SELECT name
FROM scenarios
WHERE %(source)s IS NULL OR (
    SELECT id
    FROM runs
    WHERE source = %(source)s AND scenario_id = scenarios.id
      AND (generation IS NOT NULL OR former_status IS NOT NULL)
    ORDER BY llm_id, slot
    LIMIT 1
) IS NOT NULL
ORDER BY id
"""


def scenario_id(conn: Connection, name: str) -> int | None:
    """Return the id of a scenario; None if it is unknown."""
    return _id(conn, "SELECT id FROM scenarios WHERE name = %s", name)


def scenario_ids(conn: Connection, names: Sequence[str]) -> list[int]:
    """Return the ids of the scenarios with these names; unknown ones are left out."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT id FROM scenarios WHERE name = ANY(%s)", (list(names),))
        return [id for (id,) in cursor.fetchall()]


def llm_id(conn: Connection, name: str) -> int | None:
    """Return the id of an LLM, archived or not; None if it is unknown."""
    return _id(conn, "SELECT id FROM llms WHERE name = %s", name)


def scenario_names(conn: Connection, source: str | None = None) -> list[str]:
    """Return the names of all scenarios, or of those with shown runs of the source, oldest first."""
    with conn.cursor() as cursor:
        cursor.execute(SCENARIO_NAMES, {"source": source})
        return [name for (name,) in cursor.fetchall()]


def _id(conn: Connection, query: str, name: str) -> int | None:
    with conn.cursor() as cursor:
        cursor.execute(query, (name,))
        row = cursor.fetchone()
        return row[0] if row else None


def sync_metrics(conn: Connection) -> None:
    """Update the table of metrics from the registered ones; metrics no longer registered stay."""
    rows = [
        (
            metric.id,
            metric.name,
            metric.title,
            metric.unit.symbol,
            metric.better,
            metric.formula,
            *metric.bounds,
        )
        for metric in METRICS
    ]
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO metrics (id, name, title, unit, better, formula, lower_bound, upper_bound) VALUES %s"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, title = excluded.title,"
            " unit = excluded.unit, better = excluded.better, formula = excluded.formula,"
            " lower_bound = excluded.lower_bound, upper_bound = excluded.upper_bound",
            rows,
        )
