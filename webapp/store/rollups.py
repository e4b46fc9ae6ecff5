"""Rollups: the summary of a run's values of a metric, so that no reader scans points."""

from dataclasses import dataclass

import numpy as np
from psycopg2.extras import execute_values

from llm_measure.stats.histogram import Histogram
from webapp.store import Connection


@dataclass(frozen=True)
class Rollup:
    """The summary of one run's values of one metric; `m2` is the sum of squared deviations from the mean.

    A sum of squares would be equivalent on paper, but float8 loses the difference. `p95` is exact, since the
    histogram's steps would disturb detection; None in rollups of former versions.
    """

    run_id: int
    metric_id: int
    n: int
    mean: float
    m2: float
    min: float
    max: float
    histogram: Histogram
    p95: float | None = None

    @classmethod
    def of(cls, run_id: int, metric_id: int, values: np.ndarray) -> "Rollup":
        """Return the summary of `values` (float64, at least one)."""
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
            p95=float(np.percentile(values, 95, method="inverted_cdf")),
        )

    def faults(self, derived: "Rollup") -> list[str]:
        """Return the names of what differs from a rollup of the same values, which may come in another order.

        The order changes sums a little: means may differ by 1e-9 of the greatest value, m2 by 1e-12 of the
        sum of the squares.
        """
        scale = max(abs(derived.min), abs(derived.max))
        equal = {
            "n": self.n == derived.n,
            "mean": abs(self.mean - derived.mean) <= 1e-9 * scale,
            "m2": abs(self.m2 - derived.m2) <= 1e-9 * derived.m2 + 1e-12 * derived.n * scale**2,
            "min": self.min == derived.min,
            "max": self.max == derived.max,
            "p95": self.p95 is None or self.p95 == derived.p95,
            "histogram": self.histogram.composite == derived.histogram.composite,
        }
        return [name for name, is_equal in equal.items() if not is_equal]


def insert(conn: Connection, rollups: list[Rollup]) -> None:
    """Insert the rollups; raises psycopg2.errors.UniqueViolation if a run has one of the metric already."""
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO rollups (run_id, metric_id, n, mean, m2, min, max, histogram, p95) VALUES %s",
            [
                (r.run_id, r.metric_id, r.n, r.mean, r.m2, r.min, r.max, r.histogram.composite, r.p95)
                for r in rollups
            ],
        )


def read(conn: Connection, run_id: int) -> dict[int, Rollup]:
    """Return a run's rollups by metric id."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT metric_id, n, mean, m2, min, max, (histogram).low, (histogram).counts, p95 FROM rollups"
            " WHERE run_id = %s",
            (run_id,),
        )
        return {
            metric_id: Rollup(
                run_id, metric_id, n, mean, m2, low, high, Histogram(first, np.array(counts)), p95
            )
            for metric_id, n, mean, m2, low, high, first, counts, p95 in cursor.fetchall()
        }


def delete(conn: Connection, run_id: int) -> None:
    """Delete a run's rollups."""
    with conn.cursor() as cursor:
        cursor.execute("DELETE FROM rollups WHERE run_id = %s", (run_id,))
