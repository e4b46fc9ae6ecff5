"""A metric's means over time of several LLMs, from the rollups of runs, hours and days."""

from datetime import datetime, timedelta

from webapp.store import Connection
from webapp.windows import RUN

RUN_TRENDS = """
SELECT llms.name, runs.slot, rollups.mean
FROM runs
JOIN rollups ON rollups.run_id = runs.id
JOIN metrics ON metrics.id = rollups.metric_id
JOIN llms ON llms.id = runs.llm_id
WHERE runs.slot > now() - %(reach)s::interval
  AND runs.generation IS NOT NULL
  AND runs.source = %(source)s
  AND runs.scenario_id = %(scenario_id)s
  AND metrics.name = %(metric_name)s
  AND llms.name = ANY(%(llm_names)s)
ORDER BY runs.slot
"""
TRENDS = """
SELECT llms.name, rollups.starts_at, rollups.mean
FROM period_rollups AS rollups
JOIN metrics ON metrics.id = rollups.metric_id
JOIN llms ON llms.id = rollups.llm_id
WHERE rollups.period = %(step)s
  AND rollups.starts_at > now() - %(reach)s::interval
  AND rollups.source = %(source)s
  AND rollups.scenario_id = %(scenario_id)s
  AND metrics.name = %(metric_name)s
  AND llms.name = ANY(%(llm_names)s)
ORDER BY rollups.starts_at
"""


def read(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    metric_name: str,
    step: str,
    reach: timedelta,
    source: str,
    scenario_id: int,
    llm_names: list[str],
) -> dict[str, list[tuple[datetime, float]]]:
    """Return (start of the run, hour or day, mean), oldest first, by the name of each LLM that has values.

    `step` is run, hour or day; `reach` limits how far back they go.
    """
    trends: dict[str, list[tuple[datetime, float]]] = {}
    arguments = {
        "metric_name": metric_name,
        "step": step,
        "reach": reach,
        "source": source,
        "scenario_id": scenario_id,
        "llm_names": llm_names,
    }
    with conn.cursor() as cursor:
        cursor.execute(RUN_TRENDS if step == RUN else TRENDS, arguments)
        for name, starts_at, mean in cursor.fetchall():
            trends.setdefault(name, []).append((starts_at, mean))
    return trends
