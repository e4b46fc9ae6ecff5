"""Objectives of a capacity search: at most a ratio of the requests may exceed a bound."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from llm_measure.metrics import METRICS
from llm_measure.metrics.derivations import gaps
from llm_measure.metrics.record import Objective
from llm_measure.records import Record
from llm_measure.workloads import Workload

ERROR_RATE = "error_rate"
POOLED = "itl"  # whose values are the gaps of all responses together
OF_GAPS = ("itl", "tpot")
NO_GAPS = "a response of 1 token has no gaps; expected more tokens"
QUANTILE = re.compile(r"p(\d\d(?:\.\d{1,3})?)")
LOWEST_QUANTILE = 0.5


@dataclass(frozen=True)
class Values:
    """What requests, in the order of their sending, show of an objective.

    `values` are theirs in the metric's unit, inf for a failed request; request i has `sizes[i]` of them,
    which follow each other.
    """

    values: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Target:
    """An objective such as `ttft:p95`, and its bound."""

    name: str  # as it was written
    bound: float  # in the metric's unit; of `error_rate`, a ratio
    quantile: float | None  # None: of `error_rate`
    metric: str

    @property
    def allowed(self) -> float:
        """The ratio of values that may exceed the bound."""
        return self.bound if self.quantile is None else 1 - self.quantile

    def values(self, records: Sequence[Record]) -> Values:
        """Return what the requests show of it; a failed one exceeds every bound."""
        if self.quantile is None:
            failed = np.array([inf if record.error else 0.0 for record in records], dtype=np.float64)
            return Values(failed, np.ones(len(records), dtype=np.int64))
        objective = METRICS[self.metric].objective
        if objective and _has_none(records, objective):
            return Values(np.empty(0), np.zeros(len(records), dtype=np.int64))
        if self.metric == POOLED or objective is None:
            return _pooled(records)
        each = np.array([_value(record, objective) for record in records], dtype=np.float64)
        return Values(each, np.ones(len(records), dtype=np.int64))


def targets(slo: Mapping[str, float]) -> list[Target]:
    """Return the objectives; ValueError for one that is unknown or whose bound is out of range."""
    if not slo:
        raise ValueError("slo: must have an objective, such as ttft:p95=0.5 or error_rate=0.01")
    return [_target(name, bound) for name, bound in slo.items()]


def check_objectives(slo: Mapping[str, float], workload: Workload) -> None:
    """Raise ValueError for an objective that responses to the workload do not have."""
    known = (*METRICS.objectives(workload.kind), ERROR_RATE)
    for target in targets(slo):
        if target.metric not in known:
            raise ValueError(f"slo={target.name}: unknown objective; expected one of {', '.join(known)}")
    for name in gapless(slo, workload):
        raise ValueError(f"slo={name}: {NO_GAPS}")


def gapless(slo: Mapping[str, float], workload: Workload) -> list[str]:
    """Return the objectives of gaps between tokens, if responses to the workload have but one token."""
    if workload.asked_output_tokens != 1:
        return []
    return [target.name for target in targets(slo) if target.metric in OF_GAPS]


def _target(name: str, bound: float) -> Target:
    if name == ERROR_RATE:
        if not 0 < bound < 1:
            raise ValueError(f"slo={name}={bound}: must be greater than 0 and below 1")
        return Target(name, bound, None, name)
    metric, _, quantile = name.partition(":")
    known = [each.name for each in METRICS if each.objective]
    if metric not in known:
        expected = f"{ERROR_RATE}, or a quantile such as {known[0]}:p95 of {', '.join(known)}"
        raise ValueError(f"slo={name}: unknown objective; expected {expected}")
    found = QUANTILE.fullmatch(quantile)
    if not found or float(found[1]) / 100 < LOWEST_QUANTILE:
        raise ValueError(f"slo={name}: expected {metric} with a quantile from p50 to p99.999: {metric}:p95")
    if not 0 < bound < inf:
        raise ValueError(f"slo={name}={bound}: must be greater than 0 and finite")
    return Target(name, bound, float(found[1]) / 100, metric)


def _has_none(records: Sequence[Record], objective: Objective) -> bool:
    """Return whether no successful response has a value, as a response of one token has no gap."""
    successful = [record for record in records if not record.error]
    is_needless = bool(successful) and not objective.required
    return is_needless and all(objective.value(record) is None for record in successful)


def _value(record: Record, objective: Objective) -> float:
    """Return the request's value; one that has none meets its objective, unless it is required."""
    value = None if record.error else objective.value(record)
    if value is None:
        return inf if record.error or objective.required else 0.0
    return value


def _pooled(records: Sequence[Record]) -> Values:
    """Return the gaps of all responses; a failed request counts as a response of mean length."""
    objective = METRICS[POOLED].objective
    each = [
        None if record.error or (objective and objective.value(record) == inf) else gaps([record])
        for record in records
    ]
    lengths = [len(found) for found in each if found is not None]
    usual = max(1, round(sum(lengths) / len(lengths))) if lengths else 1
    parts = [np.full(usual, inf) if found is None else found for found in each]
    return Values(
        np.concatenate(parts) if parts else np.empty(0), np.array([len(part) for part in parts], np.int64)
    )
