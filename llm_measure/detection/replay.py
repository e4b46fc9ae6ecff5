"""A whole series, as it would have been watched run by run, and as it looks afterwards."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from llm_measure.detection.change import Change
from llm_measure.detection.look import ALPHA, MOST_PAST, SEEN, look
from llm_measure.detection.rhythm import DAY, MOST_DAYS, Rhythm
from llm_measure.detection.segments import segments
from llm_measure.detection.shift import shift, values_returned

# A change that is found later is one that was raised if it begins within this number of values of it.
SAME = 5


def detect(times: np.ndarray, values: np.ndarray, *, min_change: float = 0.1) -> list[Change]:
    """Return the changes of level of a series (positive values), oldest first.

    Those that would have been raised online have a `detected_at_index`; the others show themselves only when
    the whole series is known.
    """
    raised = online(times, values, min_change=min_change)
    known = [change.index for change in raised]
    steady = Rhythm.of(times, values).without(times, values)
    bounds = [0, *segments(steady, min_change=min_change), len(values)]
    for begin, index, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        if all(abs(index - other) > SAME for other in known):
            found = shift(steady[begin:index], steady[index:end])
            raised.append(replace(found, index=index, detected_at_index=None))
    return sorted(raised, key=lambda change: change.index)


def online(times: np.ndarray, values: np.ndarray, *, min_change: float = 0.1) -> list[Change]:
    """Return the changes that are noted when a series is looked at after each of its values.

    After a change, the series may return to the level from before it, with which it is then compared again;
    or change once more.
    """
    return [change for change, _ in watch(times, values, min_change=min_change)]


def watch(times: np.ndarray, values: np.ndarray, *, min_change: float = 0.1) -> Iterator[tuple[Change, bool]]:
    """Yield the changes of `online`, each with whether it is a return to the level before the last one."""
    level = np.empty(len(values), dtype=np.int64)  # indices of the values that the newest are compared with
    size = 0
    begin: int | None = None  # of the changed level, in `level`
    for index in range(len(values)):
        level[size] = index
        size += 1
        least = int(level[max(0, (size if begin is None else begin) - SEEN)])
        first = min(least, int(np.searchsorted(times, times[index] - MOST_DAYS * DAY)))
        # What is usual shows itself in all values, whatever their level is.
        past, past_times = values[first : index + 1], times[first : index + 1]
        rhythm = Rhythm.of(past_times, past)
        steady = rhythm.without(past_times, past)
        newest = level[max(0, size - SEEN) if begin is None else begin : size]
        found = None
        if begin is not None:
            before = level[max(0, begin - MOST_PAST) : begin]
            since = steady[newest - first]
            if back := values_returned(steady[before - first], since):
                found = _at(shift(since[:-back], since[-back:]), index + 1 - back, index)
                level[begin : begin + back] = level[size - back : size]
                size, begin = begin + back, None
        if found is None:
            seen = look(steady[newest - first], min_change=min_change, inflation=rhythm.inflation)
            if seen.change and seen.p_value <= ALPHA:
                found = _at(seen.change, int(newest[seen.change.index]), index)
                level, size = level[begin or 0 :], size - (begin or 0)
                begin = int(np.searchsorted(level[:size], found.index))
        if found:
            yield found, begin is None


def _at(change: Change, index: int, detected_at_index: int) -> Change:
    return replace(change, index=index, detected_at_index=detected_at_index)
