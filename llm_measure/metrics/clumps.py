"""Chunks that came together, because a server or a proxy buffers: their gaps are not those of the tokens."""

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np

from llm_measure.records import Record

TOGETHER_NS = 100_000  # apart at most; one stream at this pace would have 10,000 chunks per second
MAX_TOGETHER = 0.1  # of the chunks, for gaps to be those of the tokens


def in_one_piece(record: Record) -> bool:
    """Return whether a response of several chunks came all together, which says nothing about its speed."""
    offsets = record.chunk_offsets_ns
    later = len(offsets) - 1
    return (
        later > 0
        and offsets[-1] - offsets[0] <= later * TOGETHER_NS  # rarely true, and quickly found
        and all(after - before <= TOGETHER_NS for before, after in pairwise(offsets))
    )


def share_together(records: Sequence[Record]) -> float | None:
    """Return which part of the chunks, but for the first of each response, came together with the one before.

    None if there is no such chunk. Of successful measured requests.
    """
    responses = _responses(records)
    if not responses:
        return None
    offsets = np.fromiter(chain.from_iterable(record.chunk_offsets_ns for record in responses), np.int64)
    lengths = np.array([len(record.chunk_offsets_ns) for record in responses])
    within = np.ones(len(offsets) - 1, dtype=bool)
    within[np.cumsum(lengths)[:-1] - 1] = False  # from one response to the next
    return float((np.diff(offsets)[within] <= TOGETHER_NS).mean())


def share_read_late(records: Sequence[Record]) -> float | None:
    """Return which part of such chunks the client read too late to know their moments."""
    responses = _responses(records)
    later = sum(len(record.chunk_offsets_ns) - 1 for record in responses)
    return sum(record.late_chunks for record in responses) / later if later else None


def _responses(records: Sequence[Record]) -> list[Record]:
    return [
        record
        for record in records
        if not record.warmup and record.error is None and len(record.chunk_offsets_ns) > 1
    ]
