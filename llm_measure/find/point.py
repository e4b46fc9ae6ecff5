"""The capacity between the levels that bracket it."""

from collections.abc import Sequence
from math import exp, log

import numpy as np

from llm_measure.capacity import Search, Step
from llm_measure.find.objectives import Target, targets

NEAR = 1.0  # in logarithms of odds


def crossing(search: Search, steps: Sequence[Step], low: float | None, high: float | None) -> float | None:
    """Return where the objectives stop being met, from `low` to `high`; None if no load meets them.

    It is where the line through the logarithms of load and share of values above the bound crosses the share
    that is allowed, the lowest crossing of all objectives. Levels weigh by the precision of that logarithm.
    """
    if low is None or high is None:
        return low
    near = [step for step in steps if low <= step.load <= high]
    found = [point for target in targets(search.slo) if (point := _crossing(target, near))]
    top = near[-1]
    grown = [step for step in near if step.load == high and step.reason and step.growth]
    if grown:
        found.append(high / (1 + (grown[0].growth or 0)))
    point = min(max(min(found, default=(low * high) ** 0.5), low), high)
    return float(max(int(point), low)) if search.kind == "concurrency" else point


def _crossing(target: Target, steps: Sequence[Step]) -> float | None:
    """Return the load at which the share crosses what is allowed; None if it does not rise."""
    loads, logs, weights = [], [], []
    for step in steps:
        found = step.attained[target.name]
        n = found.effective
        # Half a value more, and one of a request more, keep the logarithm finite.
        share = min((found.share * n + 0.5) / (n + 1), 1 - 0.5 / (n + 1))
        loads.append(log(step.load))
        logs.append(log(share / (1 - share)))
        weights.append(n * share * (1 - share))
    x, y, w = (np.array(each) for each in (loads, logs, weights))
    limit = log(target.allowed / (1 - target.allowed))
    w = w / (1 + ((y - limit) / NEAR) ** 4)
    if len(x) < 2:
        return None
    mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
    spread = float(w @ (x - mean_x) ** 2)
    slope = float(w @ ((x - mean_x) * (y - mean_y))) / spread
    if slope <= 0:
        return None
    return exp(mean_x + (limit - mean_y) / slope)
