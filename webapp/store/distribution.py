"""Histograms of LLMs' values in a window."""

import numpy as np

from llm_measure.stats.histogram import Histogram
from webapp.store import Connection

DISTRIBUTIONS = """
SELECT metrics.name, llms.name, (rollups.histogram).low, (rollups.histogram).counts
FROM period_rollups AS rollups
JOIN metrics ON metrics.id = rollups.metric_id
JOIN llms ON llms.id = rollups.llm_id
WHERE rollups.period = %(window)s
  AND rollups.source = %(source)s
  AND rollups.scenario_id = %(scenario_id)s
  AND metrics.name = ANY(%(metric_names)s)
  AND llms.name = ANY(%(llm_names)s)
"""


def read(  # noqa: PLR0913  (each is a filter)
    conn: Connection,
    *,
    window: str,
    source: str,
    scenario_id: int,
    metric_names: list[str],
    llm_names: list[str],
) -> dict[tuple[str, str], Histogram]:
    """Return the histograms that have values, by the names of metric and LLM."""
    arguments = {
        "window": window,
        "source": source,
        "scenario_id": scenario_id,
        "metric_names": metric_names,
        "llm_names": llm_names,
    }
    with conn.cursor() as cursor:
        cursor.execute(DISTRIBUTIONS, arguments)
        return {
            (metric, llm): Histogram(low, np.array(counts)) for metric, llm, low, counts in cursor.fetchall()
        }
