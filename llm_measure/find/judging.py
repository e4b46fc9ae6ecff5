"""The verdict on a level: whether confidence bounds of its objectives are on one side of their limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite
from statistics import NormalDist

import numpy as np

from llm_measure.capacity import Attained, Verdict
from llm_measure.find.objectives import Target, Values
from llm_measure.records import SECOND_NS, Record
from llm_measure.stats.dependence import inflation
from llm_measure.stats.intervals import rank_above, rank_below
from llm_measure.stats.shares import share_bounds

# Where few values exceed the bound, dependence is that of values above this quantile, which resembles it.
COMMON = 0.8
# Seconds of latency per second of a rate: above, the endpoint answers less than 98 % of what is asked.
MOST_GROWTH = 0.02
WALK = 2.0  # variance of a random walk's growth, times its steps
LEAST_TREND = 20  # requests, below which latency has no trend


@dataclass(frozen=True)
class Errors:
    """The probabilities of a wrong verdict: that a level is met, and that it is missed."""

    met: float
    missed: float


def attained(
    target: Target, batches: Sequence[Values], errors: Errors, most_effective: float = inf
) -> Attained:
    """Return what a level attained of the objective; its batches are independent of each other.

    `most_effective` is the largest ratio of independent values to requests that is believed.
    """
    values = np.sort(np.concatenate([batch.values for batch in batches]))
    if not len(values):
        return Attained(None, None, None, "undecided")
    requests = sum(len(batch.sizes) for batch in batches)
    number = max(int(min(_effective(target, batches, values), requests * most_effective)), 1)
    share = float(np.mean(values > target.bound))
    if target.quantile is None:
        low, high = share_bounds(share, number, errors.missed, errors.met)
        return Attained(share, low, high, _verdict(low, high, target.bound), share, number)
    below = rank_below(number, target.quantile, errors.missed)
    above = rank_above(number, target.quantile, errors.met)
    each = len(values) / number
    low = None if below is None else float(values[max(floor(below * each), 1) - 1])
    high = None if above is None else float(values[min(ceil(above * each), len(values)) - 1])
    middle = float(values[max(ceil(target.quantile * len(values)), 1) - 1])
    verdict = _verdict(low, high, target.bound)
    return Attained(_known(middle), _known(low), _known(high), verdict, share, number)


def _effective(target: Target, batches: Sequence[Values], values: np.ndarray) -> float:
    """Return the number of independent values that would say as much, at least 1.

    The share of values above a limit is a ratio of sums over requests, whose residuals show its variance.
    """
    limit = min(target.bound, float(values[ceil(COMMON * len(values)) - 1]))
    sizes = [batch.sizes.astype(float) for batch in batches]
    above = [_sums(batch.values > limit, batch.sizes) for batch in batches]
    requests = sum(len(each) for each in sizes)
    share = sum(float(each.sum()) for each in above) / len(values)
    mean_size = len(values) / requests
    rest = [(number - share * size) / mean_size for number, size in zip(above, sizes, strict=True)]
    variance = sum(float(each @ each) for each in rest) / requests * inflation(rest) / requests
    if variance <= 0:
        return requests
    return min(max(share * (1 - share) / variance, 1.0), float(len(values)))


def _sums(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the sum of each request's values."""
    up_to = np.concatenate(([0], np.cumsum(values)))
    ends = np.cumsum(sizes)
    return (up_to[ends] - up_to[ends - sizes]).astype(float)


def _verdict(low: float | None, high: float | None, bound: float) -> Verdict:
    if high is not None and high <= bound:
        return "met"
    return "missed" if low is not None and low > bound else "undecided"


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


@dataclass(frozen=True)
class Growth:
    """By how much latency grew per second of a rate, and whether that is certain."""

    value: float | None
    verdict: Verdict


def growth(records: Sequence[Record], errors: Errors) -> Growth:
    """Return the growth of latency in one batch of a rate; met: the endpoint keeps up with the rate.

    The line through the latencies by planned moment has a standard error, which counts the dependence of
    successive residuals. It is at least that of a queue which is neither sustained nor grows: a random walk,
    whose steps vary as Poisson arrivals and exponential service times do.
    """
    if len(records) < LEAST_TREND or records[0].intended_ns == records[-1].intended_ns:
        return Growth(None, "undecided")
    planned = np.array([record.intended_ns for record in records], dtype=np.float64) / SECOND_NS
    latency = np.array([record.end_ns - record.intended_ns for record in records]) / SECOND_NS
    planned -= planned.mean()
    spread = float(planned @ planned)
    slope = float(planned @ latency) / spread
    rest = latency - latency.mean() - slope * planned
    variance = float(rest @ rest) / (len(records) - 2) * inflation([rest]) / spread
    low = slope - _reach(errors.missed) * max(variance, WALK / len(records)) ** 0.5
    high = slope + _reach(errors.met) * variance**0.5
    return Growth(slope, _verdict(low, high, MOST_GROWTH))


def _reach(error: float) -> float:
    """Return the number of standard errors that are exceeded with that probability."""
    return -NormalDist().inv_cdf(error)
