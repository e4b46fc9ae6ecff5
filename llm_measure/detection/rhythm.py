"""The rhythm of days: what is usual at an hour is no change."""

import numpy as np

HOUR, DAY, WEEK = 3600, 86_400, 604_800
# Of the past: a rhythm shows itself after two days; weekends have theirs after nine.
LEAST_DAYS, DAYS_WITH_WEEKENDS, MOST_DAYS = 2, 9, 28
# Variance of a median of normal values, relative to that of their mean.
MEDIAN_VARIANCE = np.pi / 2
SLOTS = 48  # hours of a working day, and of a day at the weekend


def without_rhythm(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values (positive, of any scale) over what is usual at their hour of the day (UTC).

    What is usual is learned from the last four weeks. It is shrunk towards 1 by how much of it may be noise
    (James and Stein 1961).
    """
    first = int(np.searchsorted(times, times[-1] - MOST_DAYS * DAY)) if len(times) else 0
    days = (times[-1] - times[first]) / DAY if len(times) else 0.0
    if days < LEAST_DAYS:
        return values
    hours, means = _hourly(times[first:], np.log(values[first:]))
    # Slow changes of the level are no rhythm.
    weeks = (hours[-1] - hours) * HOUR // WEEK  # 0 to 4
    means = means - _by_group(weeks, means)[0][weeks]
    with_weekends = days >= DAYS_WITH_WEEKENDS
    slots = _slots(hours, with_weekends)
    usual, noise = _by_group(slots, means)
    present = np.unique(slots)
    usual[present] -= usual[present].mean()
    signal = float(np.square(usual[present]).sum())
    if not signal:
        return values
    usual *= max(0.0, 1 - 2 * float(noise[present].sum()) / signal)
    return values / np.exp(usual)[_slots(times // HOUR, with_weekends)]


def _hourly(times: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hours that have values, since 1970, and the means of their values."""
    hours, firsts = np.unique((times // HOUR).astype(np.int64), return_index=True)
    sums = np.add.reduceat(logs, firsts)
    return hours, sums / np.diff(np.append(firsts, len(logs)))


def _slots(hours: np.ndarray, with_weekends: bool) -> np.ndarray:
    """Return the hour of the day, plus 24 at weekends if these count."""
    hours = hours.astype(np.int64)
    is_weekend = (hours // 24 + 3) % 7 >= 5  # 1 January 1970 was a Thursday, the fourth day
    return hours % 24 + 24 * (is_weekend & with_weekends)


def _by_group(groups: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of each group, and its variance: 0 for a number that is no group's."""
    medians = _medians(groups, values)
    deviations = 1.4826 * _medians(groups, np.abs(values - medians[groups]))
    sizes = np.bincount(groups, minlength=len(medians))
    return medians, MEDIAN_VARIANCE * np.square(deviations) / np.maximum(sizes, 1)


def _medians(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the median of each group: a sort for all, since a call of NumPy for each takes 5 ms."""
    sizes = np.bincount(groups, minlength=SLOTS)
    ends = np.cumsum(sizes)
    present = np.flatnonzero(sizes)
    ordered = values[np.lexsort((values, groups))]
    lower = (ends - sizes + (sizes - 1) // 2)[present]
    upper = (ends - sizes + sizes // 2)[present]
    medians = np.zeros(len(sizes))
    medians[present] = (ordered[lower] + ordered[upper]) / 2
    return medians
