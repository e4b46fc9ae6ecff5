"""Chunks that came together, because a server or a proxy buffers: their gaps are not those of the tokens."""

from collections.abc import Sequence
from itertools import pairwise

from llm_measure.records import Record

TOGETHER_NS = 100_000  # apart at most; one stream at this pace would have 10,000 chunks per second
MAX_TOGETHER = 0.1  # of the chunks, for gaps to be those of the tokens


def in_one_piece(record: Record) -> bool:
    """Return whether a response of several chunks came all together, which says nothing about its speed."""
    later = len(record.chunk_offsets_ns) - 1
    return later > 0 and _together(record) == later


def share_together(records: Sequence[Record]) -> float | None:
    """Return which part of the chunks, but for the first of each response, came together with the one before.

    None if there is no such chunk. Of successful measured requests.
    """
    successful = [record for record in records if not record.warmup and record.error is None]
    later = sum(max(len(record.chunk_offsets_ns) - 1, 0) for record in successful)
    return sum(map(_together, successful)) / later if later else None


def _together(record: Record) -> int:
    return sum(after - before <= TOGETHER_NS for before, after in pairwise(record.chunk_offsets_ns))
