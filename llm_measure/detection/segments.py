"""The levels of a series whose values are all known."""

import numpy as np

from llm_measure.detection.baseline import CLIP, LEAST_SPREAD, robust_deviation
from llm_measure.detection.shift import shift

# Values of one level, at least.
LEAST = 3
# Standard errors between two levels, at least: seldom exceeded at any of 10,000 values.
THRESHOLD = 5.0


def segments(values: np.ndarray, *, min_change: float) -> list[int]:
    """Return the indices of the first values of each level but the first, by binary segmentation.

    See Vostrikova 1981, "Detecting disorder in multidimensional random processes". A change of less than
    `min_change`, at the favourable end of its interval, does not count.
    """
    logs = np.log(values)
    found: list[int] = []
    pending = [(0, len(logs))]
    while pending:
        begin, end = pending.pop()
        index = _split(logs[begin:end])
        if not index:
            continue
        change = shift(values[begin : begin + index], values[begin + index : end])
        if change.may_be(min_change):
            found.append(begin + index)
            pending += [(begin, begin + index), (begin + index, end)]
    return sorted(found)


def _split(logs: np.ndarray) -> int:
    """Return the index at which the level changes most clearly; 0 if it does not."""
    if len(logs) < 2 * LEAST:
        return 0
    # The spread of differences is that of the noise, however often the level changes.
    noise = robust_deviation(np.diff(logs)) / np.sqrt(2)
    deviations = np.clip((logs - np.median(logs)) / max(noise, LEAST_SPREAD), -2 * CLIP, 2 * CLIP)
    sizes = np.arange(1, len(logs))
    sums = np.cumsum(deviations)
    total, others = sums[-1], sizes[::-1]
    distances = np.abs(sums[:-1] / sizes - (total - sums[:-1]) / others)
    clearness = distances / np.sqrt(1 / sizes + 1 / others)
    clearness = clearness[LEAST - 1 : len(clearness) - LEAST + 1]
    best = int(clearness.argmax())
    return best + LEAST if clearness[best] >= THRESHOLD else 0
