"""The span of a level in which its load was held, and how much of each request lies within."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_measure.records import SECOND_NS, Record

HELD = 0.9  # of the concurrency
# A stream that pauses after a failure still holds its place for the shortest pause, or one it is asked for.
PAUSE_NS = SECOND_NS // 20


@dataclass(frozen=True)
class Span:
    """From one moment to another, in ns of the records' clock."""

    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end_ns - self.begin_ns) / SECOND_NS

    def share(self, record: Record) -> float:
        """Return which part of the request's time, from 0 to 1, lies within."""
        begin, end = max(record.intended_ns, self.begin_ns), min(record.end_ns, self.end_ns)
        if record.end_ns == record.intended_ns:
            return float(begin <= end)
        return max(end - begin, 0) / (record.end_ns - record.intended_ns)


def held(records: Sequence[Record], concurrency: int) -> Span | None:
    """Return the span from the first moment to the last at which the concurrency was held; None without one.

    Held means that at least 90 % of the streams had a request, counted from its planned moment, or a user who
    thinks about the next turn of a conversation. The span
    begins when the first measured request is due, or later, and ends before any request that was cancelled.
    """
    if not records:
        return None
    begun = np.array([record.intended_ns for record in records], dtype=np.int64)
    ended = np.array([record.end_ns + _pause_ns(record) for record in records], dtype=np.int64)
    moments, changes = np.concatenate((ended, begun)), np.repeat((-1, 1), len(records))
    order = np.argsort(moments, kind="stable")  # so that a request's end comes before its successor's begin
    enough = np.flatnonzero(np.cumsum(changes[order]) >= np.ceil(HELD * concurrency))
    if not len(enough):
        return None
    first, last = moments[order[enough[0]]], moments[order[enough[-1] + 1]]
    due = min((record.intended_ns for record in records if not record.warmup), default=int(first))
    cancelled = min(
        (record.intended_ns for record in records if record.error == "cancelled"), default=int(last)
    )
    begin, end = max(int(first), due), min(int(last), cancelled)
    return Span(begin, end) if end > begin else None


def _pause_ns(record: Record) -> int:
    return max(PAUSE_NS if record.error else 0, record.pause_ns or 0)
