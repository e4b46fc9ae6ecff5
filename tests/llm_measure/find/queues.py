"""Simulated queues, whose levels take no real time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from heapq import heapreplace
from math import inf

import numpy as np

from llm_measure.find.search import Measure
from llm_measure.load.arrivals import starts
from llm_measure.records import SECOND_NS, Record
from llm_measure.results import LevelResult, SendLag
from llm_measure.workloads import Load

RAMP_S = 0.0005


class Queue:
    """An M/G/c queue: called with a load, it returns the level, seeded."""

    def __init__(self, seed: int, servers: int, service_s: float, ttft_share: float = 1.0, cv: float = 1.0):
        self._random = np.random.default_rng(seed)
        self._seed, self._servers, self._service_s = seed, servers, service_s
        self._ttft_share, self._cv = ttft_share, cv
        self.loads: list[Load] = []

    def __call__(self, load: Load) -> LevelResult:
        self.loads.append(load)
        number = (load.requests or 0) + load.warmup
        if self._cv:
            service = self._random.gamma(1 / self._cv**2, self._service_s * self._cv**2, number)
        else:
            service = np.full(number, self._service_s)
        free, records = [0.0] * self._servers, []
        if load.rate:
            planned = (starts(load, (self._seed, len(self.loads))) / SECOND_NS).tolist()
        streams = [stream * RAMP_S for stream in range(load.concurrency or 0)]
        for index, seconds in enumerate(service.tolist()):
            arrived = planned[index] if load.rate else streams[0]
            begun = max(arrived, free[0])
            heapreplace(free, begun + seconds)
            if load.concurrency:
                heapreplace(streams, begun + seconds)
            first = begun + seconds * self._ttft_share
            records.append(answered(index, index < load.warmup, arrived, first, begun + seconds))
        return level(load, records)


class Outage:
    """A queue that refuses every request of its levels from number `first` up to number `end`."""

    def __init__(self, queue: Measure, first: float, end: float = inf):
        self._queue, self._first, self._end = queue, first, end
        self.levels = 0

    def __call__(self, load: Load) -> LevelResult:
        self.levels += 1
        if not self._first <= self.levels - 1 < self._end:
            return self._queue(load)
        moments = range((load.requests or 0) + load.warmup)
        refused = [answered(number, number < load.warmup, number, number, number) for number in moments]
        for record in refused:
            record.error, record.error_detail = "connect", "connection refused"
        return level(load, refused)


def in_conversations(load: Load) -> LevelResult:
    """An endpoint that answers in 0.1 s, with 4 turns in each conversation."""
    number = (load.requests or 0) + load.warmup
    records = []
    for conversation in range(number):
        for turn in range(4):
            at = conversation / (load.rate or 1) + 0.1 * turn
            record = answered(len(records), conversation < load.warmup, at, at + 0.05, at + 0.1)
            records.append(replace(record, conversation=conversation, turn=turn + 1))
    return level(load, records)


def answered(index: int, warmup: bool, sent_s: float, first_s: float, end_s: float) -> Record:
    sent, first, end = (round(moment * SECOND_NS) for moment in (sent_s, first_s, end_s))
    return Record(index, warmup, sent, sent, end, first_token_ns=first, first_answer_ns=first)


def level(load: Load, records: Sequence[Record], invalid: str | None = None) -> LevelResult:
    measured = [record for record in records if not record.warmup] or records
    begin, end = measured[0].intended_ns, max(record.end_ns for record in measured)
    return LevelResult(
        load, list(records), datetime.now(UTC), begin, (end - begin) / SECOND_NS, 0, 0, "kernel",
        SendLag(0, 0, 0), invalid is None, invalid,
    )  # fmt: skip


def steep_at(rate: float) -> Callable[[Load], LevelResult]:
    """Return an endpoint that is slow from a rate on."""

    def measure(load: Load) -> LevelResult:
        ttft = 0.2 if (load.rate or 0) > rate else 0.05
        number = (load.requests or 0) + load.warmup
        gap = 1 / (load.rate or 20)
        return level(
            load,
            [answered(i, i < load.warmup, i * gap, i * gap + ttft, i * gap + ttft) for i in range(number)],
        )

    return measure
