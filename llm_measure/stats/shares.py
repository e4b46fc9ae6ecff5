"""Confidence bounds of a share, from the binomial distribution."""

from collections.abc import Callable
from math import ceil, floor

from llm_measure.stats.intervals import binomial

STEPS = 40  # of bisection
ROUNDING = 1e-9


def share_bounds(
    share: float, n: int, low_tail: float, high_tail: float
) -> tuple[float | None, float | None]:
    """Return the bounds (Clopper and Pearson, Biometrika 1934) of the true share behind that of n values.

    The true one is below the first with at most the probability `low_tail`, above the second with at most
    `high_tail`. With an effective number n below that of the values, they are the bounds of Korn and Graubard
    (Survey Methodology 1998). None without values.
    """
    if n < 1:
        return None, None
    fewest, most = floor(share * n + ROUNDING), ceil(share * n - ROUNDING)
    low = _crossing(lambda p: 1 - _at_most(fewest - 1, n, p) > low_tail) if fewest else 0.0
    high = _crossing(lambda p: _at_most(most, n, p) <= high_tail) if most < n else 1.0
    return low, high


def _at_most(count: int, n: int, p: float) -> float:
    """Return the probability of at most that many of n."""
    counts, probabilities = binomial(n, p)
    return float(probabilities[counts <= count].sum())


def _crossing(is_above: Callable[[float], bool]) -> float:
    """Return the ratio from which on the condition holds."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return (low + high) / 2
