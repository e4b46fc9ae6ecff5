"""The figures that summarize the values of a metric."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

QUANTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Figures:
    """The summary of n values in `unit`; None where nothing is known. `stddev` divides by n - 1."""

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

    @classmethod
    def of(cls, values: np.ndarray, unit: str) -> "Figures":
        """Summarize `values` (float64, any number); each quantile is one of the values."""
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
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, `unit` included."""
        return asdict(self)


NAMES = tuple(field.name for field in fields(Figures) if field.name != "unit")
