"""Chunks that the client read late: the kernel says when the last one of a read came, not the others."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

from llm_measure.client.exchange import Exchange


def spread_late(exchange: Exchange, parts: Sequence[int], moments: list[int]) -> list[int]:
    """Spread the moments of chunks that were read late with later ones evenly over the time in question.

    `moments` of the chunks, in ns, change in place; `parts` are their numbers in the body. Return by how many
    ns each moment may be wrong, 0 for those that are sure. The first chunks of a response follow each other
    as the others do. A response that was read in one piece stays one, since its pace is unknown; then only
    the first moment is counted as unsure.
    """
    unsure = [0] * len(parts)
    begin = 0
    while begin < len(parts):
        end = begin + 1
        if width := exchange.late_ns(parts[begin]):
            while end < len(parts) and moments[end] == moments[begin]:
                end += 1
            last, number = moments[begin], end - begin
            if number == len(parts):
                unsure[0] = width if number > 1 else 0
                break
            if begin:
                earliest = max(last - width, moments[begin - 1] + (last - moments[begin - 1]) // number)
            else:
                pace = median_low([after - before for before, after in pairwise(moments[end - 1 :])])
                earliest = max(last - min(width, pace * (number - 1)), exchange.sent_ns)
            for index in range(begin, end - 1):
                moments[index] = earliest + (last - earliest) * (index - begin) // (number - 1)
                unsure[index] = width
        begin = end
    return unsure
