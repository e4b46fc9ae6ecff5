"""What is kept of each request, and of each load level."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from jobs.measure.workload import Load

ERROR_CLASSES = (
    "connect",  # no connection, or it ended before an answer began
    "tls",  # no trust in the certificate, or no common cipher
    "timeout",
    "http_4xx",
    "rate_limited",  # 429
    "http_5xx",
    "truncated",  # the answer ended in its middle
    "malformed",  # not what was asked for: not a stream, no JSON, a redirect
    "cancelled",  # by whoever measures; counted in no rate
)


@dataclass(slots=True)
class Record:
    """One request. Moments are of the monotonic clock, in ns; a failed request is one, too."""

    index: int  # unlike in all levels of one measurement
    warmup: bool
    intended_ns: int  # when the load's plan said to send it
    sent_ns: int  # when it was written to its connection, or, if there was none, given up
    end_ns: int  # the last byte, or the failure
    connect_ns: int = 0  # of the time between the former two, what opening a connection took
    first_byte_ns: int | None = None
    first_token_ns: int | None = None  # of content, reasoning or a tool call; a role alone is none
    last_token_ns: int | None = None
    chunk_offsets_ns: list[int] = field(default_factory=list)  # since sent_ns, of chunks that hold tokens
    chunk_tokens: list[int] = field(default_factory=list)  # as many, summing up to output_tokens
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    token_source: Literal["usage", "chunks"] | None = None  # chunks: one token each is only an estimate
    finish_reason: str | None = None
    status: int | None = None  # of HTTP
    error: str | None = None  # of ERROR_CLASSES
    error_detail: str | None = None


@dataclass(frozen=True)
class Lag:
    """How late requests were sent, in ms."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True)
class LevelResult:
    """What came of one load level."""

    load: Load
    records: list[Record]  # by index; warm-up requests are among them
    started_at: datetime  # wall time of start_ns
    start_ns: int  # when the first measured request was meant to be sent
    duration_s: float  # from then to the end of the last measured request
    client_cpu_s: float  # processor time of all the client's processes
    send_lag: Lag
    valid: bool
    invalid_reason: str | None  # None if valid
