"""The rhythm of days: what is usual at an hour is no change."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

HOUR, DAY = 3600, 86_400
# Of the past, for the rhythm.
MOST_DAYS = 28
# Former days from which it is known what is usual at an hour.
LEAST_SAMPLES = 2
# Hours of a day, and of one at the weekend, which come after these.
HOURS, SLOTS = 24, 48
# Variance of a median of normal values, relative to that of their mean.
MEDIAN_VARIANCE = np.pi / 2


def without_rhythm(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values (positive, of any scale) over what is usual at their hour of the day (UTC).

    What is usual is learned from the last four weeks before the newest day, which may be unusual. It is
    shrunk towards 1 by how much of it may be noise (James and Stein 1961).
    """
    if not len(times) or times[-1] - times[0] < LEAST_SAMPLES * DAY:
        return values
    first = int(np.searchsorted(times, times[-1] - MOST_DAYS * DAY))
    hours, means = _hourly(times[first:], np.log(values[first:]))
    if len(hours) < (1 + LEAST_SAMPLES) * HOURS:
        return values
    # Changes of the level are no rhythm: an hour is compared with the 24 around it.
    levels = np.median(sliding_window_view(means, HOURS), axis=1)[: -HOURS // 2]
    known = slice(HOURS // 2, HOURS // 2 + len(levels))
    usual = _usual(hours[known], means[known] - levels)
    return values / np.exp(usual)[_slots((times // HOUR).astype(np.int64))]


def _usual(hours: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return what is usual in each slot; 0 where that is not known.

    Of a slot with too few samples, it is what is usual at that hour on any day.
    """
    slots = _slots(hours)
    sizes = np.bincount(slots, minlength=SLOTS)
    of_any_day = np.bincount(slots % HOURS, minlength=HOURS)
    usual = _medians(slots, means, SLOTS)
    deviations = (means - usual[slots])[sizes[slots] >= LEAST_SAMPLES]
    is_poor = sizes < LEAST_SAMPLES
    usual[is_poor] = np.tile(_medians(slots % HOURS, means, HOURS), 2)[is_poor]
    sizes[is_poor] = np.tile(of_any_day, 2)[is_poor]
    is_known = sizes >= LEAST_SAMPLES
    if not is_known.any() or not len(deviations):
        return np.zeros(SLOTS)
    usual = np.where(is_known, usual - usual[is_known].mean(), 0)
    # Deviations from a median of few values are too small.
    freedom = len(deviations) / max(1, len(deviations) - is_known.sum())
    variance = freedom * (1.4826 * float(np.median(np.abs(deviations)))) ** 2
    noise = MEDIAN_VARIANCE * variance * float((1 / sizes[is_known]).sum())
    signal = float(np.square(usual).sum())
    return usual * max(0.0, 1 - 2 * noise / signal) if signal else usual


def _hourly(times: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hours that have values, since 1970, and the means of their values."""
    hours, firsts = np.unique((times // HOUR).astype(np.int64), return_index=True)
    sums = np.add.reduceat(logs, firsts)
    return hours, sums / np.diff(np.append(firsts, len(logs)))


def _slots(hours: np.ndarray) -> np.ndarray:
    """Return the hour of the day, plus 24 at weekends."""
    is_weekend = (hours // HOURS + 3) % 7 >= 5  # 1 January 1970 was a Thursday, the fourth day
    return hours % HOURS + HOURS * is_weekend


def _medians(groups: np.ndarray, values: np.ndarray, number: int) -> np.ndarray:
    """Return the median of each group, 0 if it is empty: by one sort, since a call for each takes 5 ms."""
    sizes = np.bincount(groups, minlength=number)
    ends = np.cumsum(sizes)
    present = np.flatnonzero(sizes)
    ordered = values[np.lexsort((values, groups))]
    lower = (ends - sizes + (sizes - 1) // 2)[present]
    upper = (ends - sizes + sizes // 2)[present]
    medians = np.zeros(len(sizes))
    medians[present] = (ordered[lower] + ordered[upper]) / 2
    return medians
