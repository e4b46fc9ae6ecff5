"""Confidence intervals of quantiles, from order statistics: they assume no distribution."""

from functools import lru_cache
from math import ceil, copysign, sqrt

import numpy as np

from llm_measure.stats.histogram import ACCURACY, Histogram, representatives

# The binomial distribution beyond this many standard deviations weighs less than 1e-9.
REACH = 7
MARGIN = 30  # for a standard deviation of few values, whose distribution is skewed


@lru_cache(maxsize=4096)
def quantile_ranks(n: int, p: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return the ranks (low, high) between which the p-quantile lies with at least that confidence.

    Ranks count from 1, the smallest of `n` independent values; 0 < p < 1. The number of values below the
    quantile is binomial (n, p), so each end leaves at most half of the remaining probability outside. None if
    n is too small for that, such as below 368 values for p = 0.99. Source: David and Nagaraja, Order
    Statistics, 3rd ed., section 7.1.
    """
    tail = (1 - confidence) / 2
    low, high = rank_below(n, p, tail), rank_above(n, p, tail)
    return None if low is None or high is None else (low, high)


@lru_cache(maxsize=4096)
def rank_below(n: int, p: float, tail: float) -> int | None:
    """Return the rank whose value exceeds the p-quantile with at most the probability `tail`, or None."""
    counts, probabilities = binomial(n, p)
    # P(B < rank) <= tail
    rank = int(counts[np.searchsorted(np.cumsum(probabilities), tail, side="right")])
    return rank if rank >= 1 else None


@lru_cache(maxsize=4096)
def rank_above(n: int, p: float, tail: float) -> int | None:
    """Return the rank whose value is below the p-quantile with at most the probability `tail`, or None."""
    counts, probabilities = binomial(n, p)
    # P(B >= rank) <= tail, summed from its small end to keep its digits.
    at_least = np.cumsum(probabilities[::-1])
    rank = int(counts[-1 - np.searchsorted(at_least, tail, side="right")]) + 1
    return rank if rank <= n else None


def quantile_interval(histogram: Histogram, p: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the outer bounds of the buckets of the values at those ranks; None if there are too few values.

    So the confidence holds although a histogram knows each value only within its accuracy.
    """
    up_to = np.cumsum(histogram.counts)
    ranks = quantile_ranks(int(up_to[-1]), p, confidence)
    if ranks is None:
        return None
    low, high = representatives(histogram.low + np.searchsorted(up_to, ranks)).tolist()
    # A bucket reaches from its representative / (1 + a) to / (1 - a); a negative one is mirrored.
    return low / (1 + copysign(ACCURACY, low)), high / (1 - copysign(ACCURACY, high))


def binomial(n: int, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of n values, each with probability p, that matter, and their probabilities.

    They follow from the ratio of each probability to the one before.
    """
    reach = ceil(REACH * sqrt(n * p * (1 - p))) + MARGIN
    counts = np.arange(max(0, int(n * p) - reach), min(n, int(n * p) + reach) + 1)
    ratios = (n - counts[:-1]) / counts[1:] * (p / (1 - p))
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    weights = np.exp(logs - logs.max())
    return counts, weights / weights.sum()
