"""How one LLM's values of a window are distributed: its histogram, as `webapp.store.histogram` has it."""

import numpy as np

from webapp.store import Connection

DISTRIBUTIONS = """
SELECT metrics.name, rollups.buckets, rollups.counts
FROM period_rollups AS rollups
JOIN metrics ON metrics.id = rollups.metric_id
WHERE rollups.period = %s
  AND rollups.source = %s
  AND rollups.workload_id = %s
  AND rollups.llm_id = %s
"""


def read(
    conn: Connection, *, window: str, source: str, workload_id: int, llm_id: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each metric that has values: the histogram's buckets, ascending, and how many lie in each."""
    with conn.cursor() as cursor:
        cursor.execute(DISTRIBUTIONS, (window, source, workload_id, llm_id))
        return {name: (np.array(buckets), np.array(counts)) for name, buckets, counts in cursor.fetchall()}
