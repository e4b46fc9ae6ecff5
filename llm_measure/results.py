"""The result of one load level."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np

from llm_measure.load.lengths import Lengths
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.traces import TraceFacts
from llm_measure.metrics.clumps import MAX_TOGETHER, share_read_late, share_together
from llm_measure.metrics.rates import Rates, rates
from llm_measure.metrics.spans import Span, held
from llm_measure.records import SECOND_NS, Record
from llm_measure.workloads import Load

# Whose clock says when something arrived: the kernel's at the arrival, or the client's when it reads.
Clock = Literal["kernel", "client"]
HTTPVersion = Literal["1.1", "2"]
MOST_MODELS = 5  # that a report names; an endpoint may claim any number


@dataclass(frozen=True)
class SendLag:
    """How late requests were sent, in ms."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, records: Sequence[Record]) -> "SendLag":
        """Return that of the measured requests."""
        late = [record.late_ms for record in records if not record.warmup] or [0.0]
        return cls(*np.percentile(late, (50, 99, 100)).tolist())


@dataclass(frozen=True)
class ClientTime:
    """How one client process spent a level, in seconds."""

    busy_s: float  # processor time
    waited_s: float  # for a processor that others used
    lasted_s: float  # in all


@dataclass(frozen=True)
class RetryAfter:
    """The number of requests answered with a Retry-After, and how long their streams waited in all."""

    requests: int
    waited_s: float


@dataclass(frozen=True)
class LevelResult:
    """The requests of one load level, and how the level went."""

    load: Load
    records: list[Record]  # by index, warm-up requests included
    started_at: datetime  # wall time of start_ns
    start_ns: int  # when the first measured request was meant to be sent
    duration_s: float  # from then to the end of the last measured request
    client_cpu_s: float  # processor time of all client processes
    client_wait_s: float  # how long the client process that waited longest for a processor did
    clock: Clock
    send_lag: SendLag
    valid: bool
    invalid_reason: str | None  # None if valid
    http_version: HTTPVersion = "1.1"
    repeated_prompts: int = 0  # number of measured requests whose row of a dataset had been sent before
    transport: dict[str, Any] = field(default_factory=dict)  # see `Endpoint.transport`
    counting: Counting = WORD_BY_WORD  # by which the lengths of generated prompts were chosen
    lengths: Lengths | None = None  # that were drawn; None if that is unknown, as of a file elsewhere
    trace: TraceFacts | None = None  # what was replayed
    stopped: bool = False  # whether it ended because it was asked to, as by Ctrl-C

    @cached_property
    def span(self) -> Span:
        """Return over what rates per second are taken: while the concurrency was held, or the whole level."""
        found = held(self.records, self.load.concurrency) if self.load.concurrency else None
        return found or Span(self.start_ns, self.start_ns + round(self.duration_s * SECOND_NS))

    @property
    def insecure(self) -> bool:
        """Whether the server's certificate was not verified."""
        return bool(self.transport.get("insecure"))

    @cached_property
    def rates(self) -> Rates | None:
        """Return the rates of an open loop; None for a closed one."""
        return rates(self.records) if self.load.is_open else None

    @cached_property
    def retry_after(self) -> RetryAfter:
        """Return to what extent the endpoint asked for pauses; the streams of a closed loop keep them."""
        failed = [record for record in self.records if record.error is not None and not record.warmup]
        pauses = [record.pause_ns for record in failed if record.pause_ns is not None]
        return RetryAfter(len(pauses), sum(pauses) / SECOND_NS)

    @cached_property
    def answered_by(self) -> dict[str, int]:
        """Return the models that answered, but for the one asked, with their numbers of requests; a few."""
        successful = (record for record in self.records if not record.warmup and record.error is None)
        counts = Counter(record.answered_by for record in successful if record.answered_by)
        return dict(counts.most_common(MOST_MODELS))

    @cached_property
    def chunks_together(self) -> float | None:
        """Return which part of the chunks came together with the one before; None if nothing is known."""
        return share_together(self.records)

    @cached_property
    def chunks_read_late(self) -> float | None:
        """Return which part of the chunks was read too late to know their moments; None without chunks."""
        return share_read_late(self.records)

    @cached_property
    def not_ranked(self) -> dict[str, str]:
        """Return why a metric says nothing about the endpoint, by the metric's name."""
        return not_ranked(self.load.is_open, self.chunks_together, self.chunks_read_late)


def not_ranked(is_open: bool, together: float | None, read_late: float | None) -> dict[str, str]:
    """Return why metrics of such a level say nothing about the endpoint, by their names.

    Chunks that were read late may have come together.
    """
    reasons = {"rps": "the load sets it"} if is_open else {}
    if (together or 0) + (read_late or 0) > MAX_TOGETHER:
        late = f", {read_late:.0%} were read late" if read_late else ""
        reasons["itl"] = f"{together or 0:.0%} of the chunks came together with the one before{late}"
    return reasons
