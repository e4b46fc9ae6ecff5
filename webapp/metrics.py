"""The metric catalogue: what is measured, in which unit, and which direction is better."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One thing that is measured of an LLM.

    `formula` says in words how a value comes about; `simulated_range` is the [low, high) interval, in
    `unit`, that the simulation draws from, None if it draws none.
    """

    id: int  # stands in the database in the name's place; never reused
    name: str
    unit: str
    better: Literal["lower", "higher"]
    formula: str
    simulated_range: tuple[float, float] | None = None


# In the order in which the rankings and the leaderboard list them.
CONTRACT_METRICS = (
    Metric(
        id=1,
        name="ttft",
        unit="s",
        better="lower",
        formula="time from sending a request to its first token",
        simulated_range=(0.05, 2.0),
    ),
    Metric(
        id=2,
        name="tps",
        unit="tokens/s",
        better="higher",
        formula="output tokens after the first, over the time from the first token to the last",
        simulated_range=(10, 150),
    ),
    Metric(
        id=3,
        name="e2e_latency",
        unit="s",
        better="lower",
        formula="time from sending a request to the end of its answer",
        simulated_range=(0.2, 10.0),
    ),
    Metric(
        id=4,
        name="rps",
        unit="requests/s",
        better="higher",
        formula="requests answered in full, over the time that the load lasted",
        simulated_range=(1, 100),
    ),
)

# What is only measured; the contract's rankings do not list it.
METRICS = (
    *CONTRACT_METRICS,
    Metric(
        id=5,
        name="tpot",
        unit="s/token",
        better="lower",
        formula="time from the first token to the last, over the output tokens after the first",
    ),
    Metric(
        id=6,
        name="itl",
        unit="s",
        better="lower",
        formula="time from one token to the next; a chunk of several tokens is spread over them",
    ),
    Metric(
        id=7,
        name="output_throughput",
        unit="tokens/s",
        better="higher",
        formula="output tokens of the requests answered in full, over the time that the load lasted",
    ),
    Metric(
        id=8,
        name="error_rate",
        unit="share",
        better="lower",
        formula="requests that failed, over all requests",
    ),
    Metric(
        id=9,
        name="goodput",
        unit="share",
        better="higher",
        formula="requests that met every objective (SLO), over all requests, failed ones included",
    ),
)

METRICS_BY_NAME = {metric.name: metric for metric in METRICS}
