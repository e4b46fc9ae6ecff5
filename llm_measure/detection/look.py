"""A look at the newest values of a series: has its level changed?

The statistic is a window-limited generalized likelihood ratio (Lai 1995, "Sequential changepoint detection in
quality control and dynamical systems") of clipped log values. Its likelihoods are not those of a normal law
but of exponential tilts of the recent past itself (empirical likelihood, Owen 1988), so that skew and tails
of the noise are accounted for: exp(theta * sum - n * Lambda(theta)) has the expectation 1 while nothing
changes, where Lambda is the past's cumulant generating function, and is large after a change.
"""

from dataclasses import dataclass

import numpy as np

from llm_measure.detection.baseline import Baseline
from llm_measure.detection.change import Change
from llm_measure.detection.shift import Z95, shifted

# The numbers of newest values that may be the new level; two outliers seldom are.
WINDOWS = (3, 5, 8, 13, 21, 30)
# Values whose level the newest are compared with: at least, and at most.
LEAST_PAST, MOST_PAST = 20, 500
SEEN = MOST_PAST + WINDOWS[-1]
# In each window the tilt is for the shift that its mean shows at the threshold, in standard errors; a greater
# one would rely on values that the past has too few of.
THRESHOLD, GREATEST_TILT = 4.0, 2.5
# The probability of a false alarm at a value, and the statistic that steady normal series exceed as seldom.
ALPHA, STATISTIC_AT_ALPHA = 1e-4, 8.0


@dataclass(frozen=True)
class Look:
    """What the newest value of a series says.

    `p_value` is the probability of such values while the level is steady, 1 without enough of them. `change`
    is the most likely change whose size may be the smallest one that matters, or more; None if there is none.
    """

    p_value: float
    change: Change | None


def look(values: np.ndarray, *, min_change: float = 0.1, inflation: float = 1.0) -> Look:
    """Return whether the level of a series (positive values) has changed, after its last value.

    Looks at the newest 530 values. A change of less than `min_change` (0.1: 10 %), at the favourable end of
    its interval, does not count. `inflation` is that of the rhythm that the values are without.
    """
    if len(values) < LEAST_PAST + WINDOWS[0]:
        return Look(1.0, None)
    logs = np.log(values[-SEEN:])
    recent = min(WINDOWS[-1], len(logs) // 3, len(logs) - LEAST_PAST)
    baseline = Baseline.of(logs[:-recent], logs[-recent:], inflation)
    sums = np.cumsum(baseline.deviations(logs[-recent:])[::-1])  # of the last 1, 2, ... values
    best, window = 0.0, 0
    for size in WINDOWS:
        if size > recent:
            break
        if not _matters(baseline, logs[-size:], min_change):
            continue
        # In units of a sum of independent values; the past's mean is an estimate, too.
        total = sums[size - 1] / baseline.inflation / np.sqrt(1 + size / baseline.size)
        tilt = min(THRESHOLD / np.sqrt(size), GREATEST_TILT)
        likelihood = tilt * abs(total) - size * baseline.cumulant(np.copysign(tilt, total))
        if likelihood > best:
            best, window = likelihood, size
    if not window:
        return Look(1.0, None)
    p_value = min(1.0, ALPHA * float(np.exp(STATISTIC_AT_ALPHA - best)))
    change = shifted(logs, _size_of_level(baseline, sums), len(values))
    return Look(p_value, change) if change.may_be(min_change) else Look(1.0, None)


def _matters(baseline: Baseline, newest: np.ndarray, min_change: float) -> bool:
    margin = Z95 * baseline.error(len(newest))
    return abs(float(np.median(newest)) - baseline.level) + margin >= np.log1p(min_change)


def _size_of_level(baseline: Baseline, sums: np.ndarray) -> int:
    """Return how many of the newest values are most likely those of the new level."""
    sizes = np.arange(1, len(sums) + 1)
    return int(np.argmax(np.square(sums) / sizes / (1 + sizes / baseline.size))) + 1
