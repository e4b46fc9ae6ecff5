"""The rates of an open loop: offered by the client, achieved by the endpoint, and whether it kept up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_measure.records import SECOND_NS, Record

MAX_GROWTH = 0.1  # seconds of latency per second of load: answers come at 91 % of the rate
LEAST_REQUESTS = 10  # below, latency has no trend to speak of
DEVIATIONS = 3.0  # by which the growth must exceed its standard error


@dataclass(frozen=True)
class Rates:
    """Requests per second, None if fewer than two; `saturated`: the answers fell behind the requests."""

    offered_rate: float | None
    achieved_rate: float | None
    saturated: bool


def rates(records: Sequence[Record]) -> Rates:
    """Return the rates at which requests were sent and were answered, each from the first to the last.

    Answers fall behind if latency grows while the load lasts, by more than chance explains.
    """
    ended = [record for record in records if not record.warmup and record.error != "cancelled"]
    return Rates(
        offered_rate=_per_second([record.sent_ns for record in ended]),
        achieved_rate=_per_second([record.end_ns for record in ended if record.error is None]),
        # Later turns take longer as their history grows, regardless of the load.
        saturated=_latency_grows([record for record in ended if record.turn in (None, 1)]),
    )


def _per_second(moments: Sequence[int]) -> float | None:
    if len(moments) < 2 or max(moments) == min(moments):
        return None
    return (len(moments) - 1) / ((max(moments) - min(moments)) / SECOND_NS)


def _latency_grows(records: Sequence[Record]) -> bool:
    """Return whether the line through the latencies by planned moment rises, clearly and fast enough."""
    if len(records) < LEAST_REQUESTS:
        return False
    begin_ns = min(record.intended_ns for record in records)
    planned = np.array([record.intended_ns - begin_ns for record in records]) / SECOND_NS
    latency = np.array([record.end_ns - record.intended_ns for record in records]) / SECOND_NS
    planned -= planned.mean()
    spread = float(planned @ planned)
    if not spread:
        return False
    growth = float(planned @ latency) / spread
    rest = latency - latency.mean() - growth * planned
    error = (float(rest @ rest) / (len(records) - 2) / spread) ** 0.5
    return growth > max(MAX_GROWTH, DEVIATIONS * error)
