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


def shares(records: Sequence[Record]) -> tuple[float, float] | None:
    """Return which part of the chunks the server sent together with the one before, and the client read so.

    Of the chunks but for the first of each response, of successful measured requests; None without any.
    """
    successful = [record for record in records if not record.warmup and record.error is None]
    lengths = np.array([len(record.chunk_offsets_ns) for record in successful if record.chunk_offsets_ns])
    number = int(lengths.sum()) - len(lengths)
    if not number:
        return None
    offsets = np.fromiter(chain.from_iterable(record.chunk_offsets_ns for record in successful), np.int64)
    gaps = np.diff(offsets)
    within = np.ones(len(gaps), dtype=bool)
    within[np.cumsum(lengths)[:-1] - 1] = False  # from one response to the next
    together = int((within & (gaps <= TOGETHER_NS)).sum())
    late = min(sum(record.late_chunks for record in successful), together)
    return (together - late) / number, late / number
