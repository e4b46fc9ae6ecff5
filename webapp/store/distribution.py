"""Histograms of one LLM's values in a window."""

import numpy as np

from llm_measure.stats.histogram import Histogram
from webapp.store import Connection

DISTRIBUTIONS = """
SELECT metrics.name, (rollups.histogram).low, (rollups.histogram).counts
FROM period_rollups AS rollups
JOIN metrics ON metrics.id = rollups.metric_id
WHERE rollups.period = %s
  AND rollups.source = %s
  AND rollups.scenario_id = %s
  AND rollups.llm_id = %s
"""


def read(
    conn: Connection, *, window: str, source: str, scenario_id: int, llm_id: int
) -> dict[str, Histogram]:
    """Return the histogram of each metric that has values, by the metric's name."""
    with conn.cursor() as cursor:
        cursor.execute(DISTRIBUTIONS, (window, source, scenario_id, llm_id))
        return {name: Histogram(low, np.array(counts)) for name, low, counts in cursor.fetchall()}
