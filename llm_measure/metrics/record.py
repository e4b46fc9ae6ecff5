"""What a metric is: one record that derivation, reports, the leaderboard and Prometheus read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from llm_measure.metrics.spans import Span
from llm_measure.records import Record

Values = Sequence[float] | np.ndarray
# What requests ask for: a generated answer, or an encoding of each of their inputs (a vector or a score). A
# search for the capacity, of either, has metrics of its levels together.
Kind = Literal["generation", "encoding", "search"]


def kind_of(inputs: int | None) -> Kind:
    """Return the kind of a workload whose requests have that number of inputs; None: prompts."""
    return "generation" if inputs is None else "encoding"


@dataclass(frozen=True)
class Unit:
    """A unit: its symbol, spelled out, and as the suffix of a Prometheus metric."""

    symbol: str
    words: str
    suffix: str


@dataclass(frozen=True)
class Objective:
    """How a service level objective judges one successful request: `value` must not exceed the bound.

    A request without a value meets the objective unless the value is `required`.
    """

    value: Callable[[Record], float | None]
    required: bool = False

    def is_met(self, record: Record, bound: float) -> bool:
        """Return whether the request keeps to the bound, which is in the metric's unit."""
        value = self.value(record)
        return not self.required if value is None else value <= bound


@dataclass(frozen=True)
class Sample:
    """The requests of one level from which its metrics are derived.

    `requests` leaves out warm-up and cancelled requests; `successful` are those without an error. `within`
    are the successful requests, warm-up included, of which a part lies within the span, each with that part.
    """

    requests: Sequence[Record]
    successful: Sequence[Record]
    objectives: Sequence[tuple[Objective, float]]  # with their bounds
    span: Span
    within: Sequence[tuple[Record, float]]
    inputs: int = 1  # of each request


@dataclass(frozen=True)
class Metric:
    """One metric, declared once.

    `derive` returns its values (in `unit`) from a sample, none if nothing is known. `bounds` are the least
    and the greatest value it can have. `simulated_range` is the interval [low, high) that the simulation
    draws from; None: the metric is only measured. Values that are not `independent` of each other have no
    confidence intervals. `kinds` are those of the workloads that have the metric. `note` and `elsewhere`
    (tool: definition) explain how the value is taken here and what other tools mean by that name.
    """

    id: int  # identifies the metric in stored data; never reused
    name: str
    title: str
    unit: Unit
    better: Literal["lower", "higher"]
    formula: str
    derive: Callable[[Sample], Values]
    bounds: tuple[float, float | None] = (0.0, None)
    objective: Objective | None = None
    simulated_range: tuple[float, float] | None = None
    independent: bool = True
    kinds: Sequence[Kind] = ("generation",)
    note: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def inline_title(self) -> str:
        """The title as within a sentence; one that begins with an acronym stays as it is."""
        return self.title if self.title[:2].isupper() else self.title[0].lower() + self.title[1:]
