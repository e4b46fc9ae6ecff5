"""Rollups: a run's values of a metric, summarised, so that no reader ever scans points."""

from dataclasses import astuple, dataclass

import numpy as np
from psycopg2.extras import execute_values

from webapp.store import Connection
from webapp.store.histogram import histogram


@dataclass(frozen=True)
class Rollup:
    """What is kept of one run's values of one metric; `m2` is the sum of squared deviations from the mean.

    A sum of squares would serve as well on paper but cancels in float8. `buckets` and `counts` are the
    histogram (see `webapp.store.histogram`).
    """

    run_id: int
    metric_id: int
    n: int
    mean: float
    m2: float
    min: float
    max: float
    buckets: list[int]
    counts: list[int]

    @classmethod
    def of(cls, run_id: int, metric_id: int, values: np.ndarray) -> "Rollup":
        """Summarise `values` (float64, at least one)."""
        mean = float(values.mean())
        buckets, counts = histogram(values)
        return cls(
            run_id=run_id,
            metric_id=metric_id,
            n=len(values),
            mean=mean,
            m2=float(np.square(values - mean).sum()),
            min=float(values.min()),
            max=float(values.max()),
            buckets=buckets.tolist(),
            counts=counts.tolist(),
        )


def insert(conn: Connection, rollups: list[Rollup]) -> None:
    """Insert the rollups of runs that have none yet."""
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO rollups (run_id, metric_id, n, mean, m2, min, max, buckets, counts) VALUES %s",
            [astuple(rollup) for rollup in rollups],
        )
