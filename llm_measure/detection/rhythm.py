"""The rhythm of days: what is usual at an hour is no change."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from llm_measure.detection.baseline import CLIP, robust_deviation

HOUR, DAY = 3600, 86_400
# Of the past, for the rhythm.
MOST_DAYS = 28
# Former days from which it is known what is usual at an hour.
LEAST_SAMPLES = 2
# Hours of a day, and of one at the weekend, which come after these.
HOURS, SLOTS = 24, 48


@dataclass(frozen=True)
class Rhythm:
    """What is usual at each hour of a working day and of one at the weekend (UTC), as logarithms of factors.

    `inflation` is how much greater the spread of new values is, since what is usual was fitted to the old.
    """

    usual: np.ndarray
    inflation: float

    @classmethod
    def of(cls, times: np.ndarray, values: np.ndarray) -> "Rhythm":
        """Return that of values (positive, of any scale), by the last four weeks of them.

        The newest day, which may be unusual, does not count.
        """
        first = int(np.searchsorted(times, times[-1] - MOST_DAYS * DAY)) if len(times) else 0
        hours, means = _hourly(times[first:], np.log(values[first:]))
        if len(hours) < (1 + LEAST_SAMPLES) * HOURS:
            return NO_RHYTHM
        # Changes of the level are no rhythm: an hour is compared with the 24 around it.
        levels = np.median(sliding_window_view(means, HOURS), axis=1)[: -HOURS // 2]
        known = slice(HOURS // 2, HOURS // 2 + len(levels))
        return cls(*_usual(hours[known], means[known] - levels))

    def without(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the values over what is usual at their hour."""
        return values / np.exp(self.usual)[_slots((times // HOUR).astype(np.int64))]


NO_RHYTHM = Rhythm(np.zeros(SLOTS), 1.0)


def _usual(hours: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what is usual in each slot, and the inflation.

    Of a slot with too few samples, it is what is usual at that hour on any day. All are shrunk towards 0 by
    how much of them may be noise (James and Stein 1961).
    """
    slots = _slots(hours)
    sizes = np.bincount(slots, minlength=SLOTS)
    poor = np.flatnonzero(sizes < LEAST_SAMPLES)
    usual, deviation = _means(slots, means, SLOTS)
    of_any_day, _ = _means(slots % HOURS, means, HOURS)
    usual[poor] = of_any_day[poor % HOURS]
    sizes[poor] = np.bincount(slots % HOURS, minlength=HOURS)[poor % HOURS]
    is_known = sizes >= LEAST_SAMPLES
    usual = np.where(is_known, usual - usual[is_known].mean() if is_known.any() else 0, 0)
    signal = float(np.square(usual).sum())
    if not signal:
        return usual, 1.0
    shares = 1 / sizes[is_known]
    shrinkage = max(0.0, 1 - 2 * deviation**2 * float(shares.sum()) / signal)
    share = float(shares.mean())
    return shrinkage * usual, 1 + shrinkage * (float(np.sqrt((1 + share) / (1 - share))) - 1)


def _means(groups: np.ndarray, values: np.ndarray, number: int) -> tuple[np.ndarray, float]:
    """Return the mean of each group, outliers clipped, 0 if it is empty; and the deviation of a value."""
    sizes = np.bincount(groups, minlength=number)
    medians = _medians(groups, values, sizes)
    deviations = values - medians[groups]
    several = deviations[sizes[groups] >= LEAST_SAMPLES]
    # Deviations from a median of few values are too small.
    freedom = len(several) / max(1, len(several) - int((sizes >= LEAST_SAMPLES).sum()))
    deviation = robust_deviation(several) * np.sqrt(freedom) if len(several) else 0.0
    clipped = np.clip(deviations, -CLIP * deviation, CLIP * deviation)
    sums = np.bincount(groups, weights=clipped, minlength=number)
    return medians + sums / np.maximum(sizes, 1), float(deviation)


def _hourly(times: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hours that have values, since 1970, and the means of their values."""
    hours, firsts = np.unique((times // HOUR).astype(np.int64), return_index=True)
    sums = np.add.reduceat(logs, firsts) if len(firsts) else logs
    return hours, sums / np.diff(np.append(firsts, len(logs)))


def _slots(hours: np.ndarray) -> np.ndarray:
    """Return the hour of the day, plus 24 at weekends."""
    is_weekend = (hours // HOURS + 3) % 7 >= 5  # 1 January 1970 was a Thursday, the fourth day
    return hours % HOURS + HOURS * is_weekend


def _medians(groups: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the median of each group, 0 if it is empty: by one sort, since a call for each takes 5 ms."""
    ends = np.cumsum(sizes)
    present = np.flatnonzero(sizes)
    ordered = values[np.lexsort((values, groups))]
    lower = (ends - sizes + (sizes - 1) // 2)[present]
    upper = (ends - sizes + sizes // 2)[present]
    medians = np.zeros(len(sizes))
    medians[present] = (ordered[lower] + ordered[upper]) / 2
    return medians
