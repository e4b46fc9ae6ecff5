"""Capacity: the greatest load at which an endpoint keeps to its objectives, and how it was found."""

from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any, Literal, get_args

from llm_measure.find.budget import check_budget
from llm_measure.find.objectives import targets
from llm_measure.results import LevelResult

LEAST_BUDGET = 100  # requests, which are enough for one short level
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.9999
LoadKind = Literal["rate", "concurrency"]
# Of one objective, or of a level: whether it is met, by a confidence bound; undecided between both.
Verdict = Literal["met", "missed", "undecided"]
# Greatest factor between the loads that certainly meet and certainly miss, for the capacity to be compared.
# The verdicts of a queue close to its capacity take more requests than most searches may have, while its
# capacity in between is right within 5 % (docs/statistics.md).
WIDEST = 1.5


@dataclass(frozen=True)
class Search:
    """What is searched for; ValueError if it is unclear.

    `slo` maps objectives to bounds: `ttft:p95` (a quantile of a metric that has objectives, in its unit) or
    `error_rate` (a ratio).
    """

    kind: LoadKind
    slo: dict[str, float]
    confidence: float = 0.95  # of each verdict, however often a level is prolonged
    budget: int = 40_000  # requests of the whole search
    start: float | None = None  # the first load: the capacity of the last search

    def __post_init__(self) -> None:
        if self.kind not in get_args(LoadKind):
            raise ValueError(f"find={self.kind!r}: must be one of {', '.join(get_args(LoadKind))}")
        wanted = targets(self.slo)
        if not LEAST_CONFIDENCE <= self.confidence <= MOST_CONFIDENCE:
            expected = f"must be from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}"
            raise ValueError(f"confidence={self.confidence}: {expected}")
        if self.budget < LEAST_BUDGET:
            raise ValueError(f"budget={self.budget}: must be at least {LEAST_BUDGET}")
        check_budget(self.budget, wanted, self.confidence)
        if self.start is not None and not 0 < self.start < inf:
            raise ValueError(f"start={self.start}: must be greater than 0 and finite")

    @property
    def name(self) -> str:
        """The search in words."""
        return f"capacity by {self.kind}"

    @property
    def level(self) -> str:
        """The short name: max of a search by rate, max-concurrency of one by concurrency."""
        return "max" if self.kind == "rate" else f"max-{self.kind}"


@dataclass(frozen=True)
class Attained:
    """What a level attained of one objective: the value, and its confidence bounds, in the metric's unit.

    None for what is not known: a bound of too few requests, or a quantile that failed requests reach into.
    """

    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    share: float = 0.0  # ratio of the values above the objective's bound
    effective: int = 0  # number of independent values that say as much as those measured


@dataclass(frozen=True)
class Step:
    """One level of the search."""

    load: float  # in `Capacity.unit`
    requests: int  # measured, after every prolongation
    attained: dict[str, Attained]
    verdict: Verdict
    throughput: float | None  # successful requests/s, each turn of a conversation being one
    growth: float | None = None  # of latency, in seconds per second of a rate; above 0 if it is not sustained
    reason: str | None = None  # why it is missed, or was given up, apart from its objectives


@dataclass(frozen=True)
class Capacity:
    """The result of a search."""

    search: Search
    # The greatest load that meets the objectives; None if even the least misses them, or unless both low and
    # high are known.
    capacity: float | None
    low: float | None  # the greatest load that certainly meets them
    high: float | None  # the least load that certainly misses them
    decided: bool  # whether low and high are as close as was wanted
    requests: int  # spent in all
    reason: str | None = None  # why it ended without a result, or what it lacks: an outage, a busy client
    path: list[Step] = field(default_factory=list)  # in the order of measuring
    # Each level of the path as it was measured, prolongations apart.
    levels: list[LevelResult] = field(default_factory=list, repr=False, compare=False)

    @property
    def is_known(self) -> bool:
        """Whether the capacity is known well enough to be compared: decided, or in a bracket of WIDEST."""
        return is_known(self.decided, self.capacity, self.low, self.high)

    @property
    def unit(self) -> str:
        """What its loads count: requests or, where these are turns, conversations."""
        first = next((level.records[0] for level in self.levels if level.records), None)
        begun = "requests" if first is None or first.conversation is None else "conversations"
        return f"{begun}/s" if self.search.kind == "rate" else f"concurrent {begun}"

    def interrupted(self) -> "Capacity":
        """Return it for a search that was stopped, with that as the reason unless it had ended anyway."""
        is_over = self.decided or self.reason
        return self if is_over else replace(self, reason="interrupted before the search had ended")

    def to_dict(self) -> dict[str, Any]:
        """Return the part `find` of the JSON report."""
        return {
            "kind": self.search.kind,
            "unit": self.unit,
            "slo": self.search.slo,
            "confidence": self.search.confidence,
            "capacity": self.capacity,
            "low": self.low,
            "high": self.high,
            "decided": self.decided,
            "requests": self.requests,
            "reason": self.reason,
            "path": [asdict(step) for step in self.path],
        }


def is_known(decided: bool, capacity: float | None, low: float | None, high: float | None) -> bool:
    """Return whether a search with that result says enough, see `Capacity.is_known`."""
    if capacity is None or low is None or high is None:
        return decided
    return decided or high <= WIDEST * low
