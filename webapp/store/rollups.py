"""Rollups: a run's values of a metric, summarised, so that no reader ever scans points."""

from dataclasses import dataclass

import numpy as np
from psycopg2.extras import execute_values

from llm_measure.stats.histogram import Histogram
from webapp.store import Connection


@dataclass(frozen=True)
class Rollup:
    """What is kept of one run's values of one metric; `m2` is the sum of squared deviations from the mean.

    A sum of squares would serve as well on paper but cancels in float8.
    """

    run_id: int
    metric_id: int
    n: int
    mean: float
    m2: float
    min: float
    max: float
    histogram: Histogram

    @classmethod
    def of(cls, run_id: int, metric_id: int, values: np.ndarray) -> "Rollup":
        """Summarise `values` (float64, at least one)."""
        mean = float(values.mean())
        return cls(
            run_id=run_id,
            metric_id=metric_id,
            n=len(values),
            mean=mean,
            m2=float(np.square(values - mean).sum()),
            min=float(values.min()),
            max=float(values.max()),
            histogram=Histogram.of(values),
        )


def insert(conn: Connection, rollups: list[Rollup]) -> None:
    """Insert the rollups of runs that have none yet."""
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO rollups (run_id, metric_id, n, mean, m2, min, max, histogram) VALUES %s",
            [
                (r.run_id, r.metric_id, r.n, r.mean, r.m2, r.min, r.max, r.histogram.composite)
                for r in rollups
            ],
        )
