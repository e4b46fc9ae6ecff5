"""A log-bucket histogram whose quantiles are within 1 % of the exact ones, in 2 kB or so.

DDSketch (Masson, Rim and Lee, VLDB 2019, https://www.vldb.org/pvldb/vol12/p2195-masson.pdf): with accuracy
a = 0.01 and gamma = (1 + a) / (1 - a), a positive x lies in bucket ceil(log_gamma x), which is represented by
2 gamma^bucket / (gamma + 1). Histograms merge by adding counts, in any order, without loss.
"""

from dataclasses import dataclass

import numpy as np

ACCURACY = 0.01
LN_GAMMA = np.log((1 + ACCURACY) / (1 - ACCURACY))
# What is closer to zero, a nanosecond in our units, counts as zero.
SMALLEST = 1e-9
# Bucket 0 holds zero alone; positive buckets begin at 1 and negative ones mirror them, so that the order of
# buckets is the order of values, without a gap between the signs.
OFFSET = 1 - int(np.ceil(np.log(SMALLEST) / LN_GAMMA))


@dataclass(frozen=True)
class Histogram:
    """The number of values in each bucket from `low` on; the first and the last count are not zero."""

    low: int
    counts: np.ndarray  # int64

    @classmethod
    def of(cls, values: np.ndarray) -> "Histogram":
        """Count `values` (float64, at least one, below 1e300)."""
        found = buckets(values)
        low = int(found.min())
        return cls(low, np.bincount(found - low))

    @property
    def composite(self) -> tuple[int, list[int]]:
        """`low` and `counts` as plain Python values."""
        return self.low, self.counts.tolist()


def buckets(values: np.ndarray) -> np.ndarray:
    """Return the bucket (int64) of each of `values` (float64, finite)."""
    magnitudes = np.maximum(np.abs(values), SMALLEST)
    numbers = np.ceil(np.log(magnitudes) / LN_GAMMA).astype(np.int64) + OFFSET
    return np.where(np.abs(values) < SMALLEST, 0, np.sign(values).astype(np.int64) * numbers)


def representatives(buckets: np.ndarray) -> np.ndarray:
    """Return the value (float64) that represents all values of each of the buckets."""
    gamma = np.exp(LN_GAMMA)
    return np.sign(buckets) * 2 * np.exp((np.abs(buckets) - OFFSET) * LN_GAMMA) / (gamma + 1)
