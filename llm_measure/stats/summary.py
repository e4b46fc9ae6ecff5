"""The figures that summarize the values of a metric."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from llm_measure.stats.intervals import quantile_ranks

QUANTILES = (50, 90, 95, 99)
WITH_INTERVAL = (50, 95, 99)


@dataclass(frozen=True)
class Figures:
    """The summary of n values in `unit`; None where nothing is known. `stddev` divides by n - 1.

    `p50_low` to `p50_high` is the 95 % confidence interval of p50; None for few values.
    """

    unit: str
    n: int
    mean: float | None = None
    stddev: float | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p50_low: float | None = None
    p50_high: float | None = None
    p95_low: float | None = None
    p95_high: float | None = None
    p99_low: float | None = None
    p99_high: float | None = None

    @classmethod
    def of(cls, values: np.ndarray, unit: str, independent: bool = True) -> "Figures":
        """Summarize `values` (float64, any number); quantiles and ends of their intervals are among them.

        If the values are not `independent` of each other, there are no intervals, which would be too narrow.
        """
        n = len(values)
        if n == 0:
            return cls(unit, 0)
        quantiles = np.percentile(values, QUANTILES, method="inverted_cdf").tolist()
        return cls(
            unit,
            n,
            float(values.mean()),
            float(values.std(ddof=1)) if n > 1 else None,
            float(values.min()),
            float(values.max()),
            *quantiles,
            *(_interval_ends(np.sort(values)) if independent else ()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, `unit` included."""
        return asdict(self)


def _interval_ends(ordered: np.ndarray) -> Iterator[float | None]:
    """Yield both ends of each interval: the values at the ranks of its confidence."""
    for quantile in WITH_INTERVAL:
        ranks = quantile_ranks(len(ordered), quantile / 100)
        yield from (float(ordered[rank - 1]) for rank in ranks) if ranks else (None, None)


NAMES = tuple(field.name for field in fields(Figures) if field.name != "unit")
