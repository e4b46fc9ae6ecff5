"""A placeholder for the method, which is chosen by measurement."""

from typing import NamedTuple

import numpy as np

from llm_measure.detection.change import Change

PAST, RECENT = 100, 3


def detect(times: np.ndarray, values: np.ndarray, *, min_change: float = 0.1) -> list[Change]:
    """Return the changes of level, oldest first."""
    changes: list[Change] = []
    begin = 0
    for end in range(2 * RECENT, len(values) + 1):
        past, recent = values[max(begin, end - PAST) : end - RECENT], values[end - RECENT : end]
        if len(past) < RECENT:
            continue
        before, after = float(np.median(past)), float(np.median(recent))
        change = after / before - 1
        if abs(change) > min_change:
            begin = end - RECENT
            changes.append(Change(begin, end - 1, before, after, change, change - 0.05, change + 0.05))
    return changes


class Look(NamedTuple):
    """What the newest value says."""

    p_value: float
    change: Change | None


def look(times: np.ndarray, values: np.ndarray, *, min_change: float = 0.1) -> Look:
    """Return whether the newest value is the one after which a change is raised."""
    changes = detect(times[-PAST:], values[-PAST:], min_change=min_change)
    is_new = changes and changes[-1].detected_at_index == min(len(values), PAST) - 1
    return Look(1, changes[-1] if is_new else None)
