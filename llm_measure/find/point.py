"""The capacity between the levels that bracket it, or that there is none."""

from collections.abc import Sequence
from math import exp, log

import numpy as np

from llm_measure.capacity import Capacity, Search, Step
from llm_measure.find.level import Level
from llm_measure.find.objectives import Target, targets

NEAR = 0.1  # in logarithms of load: levels further away than this count little
ROUNDS = 30
STEEPEST, FLATTEST = 200.0, 1.0  # slopes of the logarithm of odds by that of load


def crossing(search: Search, steps: Sequence[Step], low: float | None, high: float | None) -> float | None:
    """Return where the objectives stop being met, from `low` to `high`; None if either is unknown.

    It is the lowest crossing of all objectives.
    """
    if low is None or high is None:
        return None
    near = [step for step in steps if low <= step.load <= high]
    found = [_crossing(target, near) for target in targets(search.slo)]
    found += [
        step.load / (1 + step.growth) for step in near if step.reason and step.growth and step.load == high
    ]
    if search.kind == "concurrency":
        # A whole number of streams below the least that certainly misses.
        return float(max(min(int(min(found)), high - 1), low))
    return min(max(min(found), low), high)


def misses_always(found: Capacity) -> bool:
    """Return whether even the least load misses the objectives: one request after another.

    A search by rate begins with a few of them. Without this, it would look for ever lower rates.
    """
    if found.low is not None or found.high is None:
        return False
    if found.search.kind == "concurrency":
        return found.high <= 1
    alone = Level(load=1)
    alone.add([level for level in found.levels if level.load.concurrency][-1], found.search, others=())
    return alone.verdict == "missed"


def _crossing(target: Target, steps: Sequence[Step]) -> float:
    """Return the load at which the share of values above the bound crosses what is allowed.

    The share follows a logistic curve of the logarithm of the load (a quasi-binomial model, fitted by
    iterated weighted least squares); levels weigh by their requests, and less the further away they are.
    """
    x = np.array([log(step.load) for step in steps])
    share = np.array([step.attained[target.name].share for step in steps])
    requests = np.array([step.requests for step in steps], dtype=np.float64)
    limit = log(target.allowed / (1 - target.allowed))
    at = float(x[np.argmin(np.abs(share - target.allowed))])
    slope = 10.0
    for _ in range(ROUNDS):
        weights = requests * np.exp(-(((x - at) / NEAR) ** 2)) + 1e-9
        fitted = np.clip(limit + slope * (x - at), -15, 15)
        p = 1 / (1 + np.exp(-fitted))
        information = weights * p * (1 - p)
        answer = fitted + (share - p) / (p * (1 - p))
        middle, level = np.average(x, weights=information), np.average(answer, weights=information)
        spread = float(information @ (x - middle) ** 2)
        if spread > 0:
            slope = float(information @ ((x - middle) * (answer - level))) / spread
        slope = min(max(slope, FLATTEST), STEEPEST)
        at = min(max(float(middle + (limit - level) / slope), float(x.min())), float(x.max()))
    return exp(at)
