"""How much the level of a series has shifted, and whether it is back."""

import numpy as np

from llm_measure.detection.baseline import CLIP, Baseline
from llm_measure.detection.change import Change

Z95 = 1.96
# The newest values that may show that the level is back.
LEAST_RETURNED, MOST_RETURNED = 2, 60
# They must be this many times as likely at the former level as at the changed one.
ODDS = 1000.0


def shift(before: np.ndarray, values: np.ndarray) -> Change:
    """Return the change from the level of `before` to that of `values` (positive, at least one each)."""
    return shifted(np.log(np.concatenate([before, values])), len(values), len(before) + len(values))


def shifted(logs: np.ndarray, size: int, length: int) -> Change:
    """Return the change to the level of the last `size` of the log values, of a series of `length`."""
    baseline = Baseline.of(logs[:-size], logs[-size:])
    difference = float(np.mean(_inliers(logs[-size:], baseline.scale))) - baseline.level
    margin = Z95 * baseline.error(size)
    change, low, high = (float(np.expm1(difference + side * margin)) for side in (0, -1, 1))
    level = float(np.exp(baseline.level))
    return Change(length - size, length - 1, level, level * (1 + change), change, low, high)


def _inliers(logs: np.ndarray, scale: float) -> np.ndarray:
    """Return the values, where outliers count as being at the clip from the median."""
    center = np.median(logs)
    return np.clip(logs, center - CLIP * scale, center + CLIP * scale)


def returned(before: np.ndarray, values: np.ndarray) -> bool:
    """Return whether the newest of `values`, all since a change, are back at the level of `before`."""
    return values_returned(before, values) > 0


def values_returned(before: np.ndarray, values: np.ndarray) -> int:
    """Return how many of the newest of `values`, all since a change, are back at the level of `before`.

    A likelihood ratio test between both levels (Wald 1945), over any number of the newest values.
    """
    if len(before) < LEAST_RETURNED or len(values) <= LEAST_RETURNED:
        return 0
    baseline, logs = Baseline.of(np.log(before)), np.log(values)
    changed = logs[: max(LEAST_RETURNED, len(logs) - MOST_RETURNED)]
    gap = float(np.median(changed)) - baseline.level
    # Both levels are within the clip, however small the noise is: what is nearer to the former one is back.
    scale = max(baseline.scale, abs(gap) / CLIP)
    distance = gap / scale
    newest = np.clip((logs[-MOST_RETURNED:] - baseline.level) / scale, -CLIP, CLIP)[::-1]
    evidence = np.cumsum(distance * (distance / 2 - newest)) / baseline.inflation**2
    evidence[: LEAST_RETURNED - 1] = 0
    return int(evidence.argmax()) + 1 if evidence.max() >= np.log(ODDS) else 0
