"""One process's share of a level, and its result."""

from dataclasses import dataclass
from datetime import datetime

from llm_measure.records import Numbers, Record
from llm_measure.results import ClientTime, HTTPVersion


@dataclass(frozen=True)
class Share:
    """One process's share of a level: its moments of the plan, and how its requests are numbered."""

    starts: list[int]  # ns after the level's start
    requests: int | None  # measured ones; None if the duration decides
    warmup: int
    first: Numbers  # of this share
    step: int  # between its numbers
    level_index: int = 0  # of the level's first request


@dataclass(frozen=True)
class ClientResult:
    """The result of one process's share."""

    records: list[Record]
    started_at: datetime  # wall time of begin_ns
    begin_ns: int
    time: ClientTime
    has_kernel_times: bool  # of what arrived
    http_version: HTTPVersion
