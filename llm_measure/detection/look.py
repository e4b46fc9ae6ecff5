"""A look at the newest value of a series: has its level changed, and is it back?"""

from dataclasses import dataclass

import numpy as np

from llm_measure.detection.change import Change

LEAST_BEFORE, RECENT = 20, 3


@dataclass(frozen=True)
class Look:
    """The p-value of no change at the last value, 1 without enough history, and the change if there is."""

    p_value: float
    change: Change | None


def look(times: np.ndarray, values: np.ndarray, *, min_change: float) -> Look:
    """Return whether the level has changed by the last of the values (float64, positive)."""
    before, recent = values[:-RECENT], values[-RECENT:]
    if len(before) < LEAST_BEFORE:
        return Look(1.0, None)
    found = shift(before, recent)
    logs = np.log(before)
    scale = max(1.4826 * float(np.median(np.abs(logs - np.median(logs)))), 1e-3)
    nearest = np.min(np.abs(np.log(recent / found.before)))
    if abs(found.change) < min_change:
        return Look(1.0, None)
    return Look(float(np.exp(-RECENT * max(nearest / scale - 1, 0))), found)


def shift(before: np.ndarray, values: np.ndarray) -> Change:
    """Return the change of level from `before` to `values` (float64, positive, at least one each)."""
    first, second = np.log(before), np.log(values)
    center = np.median(first)
    scale = 1.4826 * np.median(np.abs(first - center))
    difference = np.median(second) - center
    margin = 1.96 * 1.2533 * scale * np.sqrt(1 / len(first) + 1 / len(second))
    change, low, high = (float(np.expm1(difference + side * margin)) for side in (0, -1, 1))
    level = float(np.exp(center))
    return Change(len(before), None, level, level * (1 + change), change, low, high)


def returned(before: np.ndarray, values: np.ndarray) -> bool:
    """Return whether the newest of `values`, all since the change, are back at the level of `before`."""
    if len(before) < RECENT or len(values) <= RECENT:
        return False
    level, changed = np.log(np.median(before)), np.log(np.median(values[:RECENT]))
    newest = np.log(values[-RECENT:])
    return bool(np.all(np.abs(newest - level) < np.abs(newest - changed)))


def false_discoveries(p_values: np.ndarray, alpha: float) -> np.ndarray:
    """Return which null hypotheses are rejected (bool) at that false discovery rate (Benjamini-Hochberg)."""
    order = np.argsort(p_values)
    passed = np.flatnonzero(p_values[order] <= alpha * np.arange(1, len(order) + 1) / max(len(order), 1))
    rejected = np.zeros(len(order), dtype=bool)
    if len(passed):
        rejected[order[: passed[-1] + 1]] = True
    return rejected
