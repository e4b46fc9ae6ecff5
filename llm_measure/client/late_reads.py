"""Chunks that the client read late: the kernel says when the last one of a read came, not the others."""

from collections.abc import Sequence

from llm_measure.client.connection import Exchange


def spread_late(exchange: Exchange, parts: Sequence[int], moments: list[int]) -> list[int]:
    """Spread the moments of chunks that were read late with later ones evenly over the time in question.

    `moments` of the chunks, in ns, change in place; `parts` are their numbers in the body. Return by how many
    ns each moment may be wrong, 0 for those that are sure. A response that was read in one piece stays one,
    since its pace is unknown; then only the first moment is counted as unsure.
    """
    unsure = [0] * len(parts)
    begin = 0
    while begin < len(parts):
        end = begin + 1
        if width := exchange.late_ns(parts[begin]):
            while end < len(parts) and moments[end] == moments[begin]:
                end += 1
            if end - begin == len(parts):
                unsure[0] = width if end > 1 else 0
                break
            last, before = moments[begin], moments[begin - 1] if begin else _before_tokens(exchange)
            earliest, steps = last - width, end - begin - 1
            if earliest < before:  # the first one has a gap like the others
                earliest = before + (last - before) // (steps + 1)
            for index in range(begin, end - 1):
                moments[index] = earliest + (last - earliest) * (index - begin) // steps
                unsure[index] = width
        begin = end
    return unsure


def _before_tokens(exchange: Exchange) -> int:
    """Return a moment before the first token: of the first byte, if it came in an earlier read."""
    first_byte_ns = exchange.first_byte_ns
    return first_byte_ns if first_byte_ns and first_byte_ns < exchange.times[0] else exchange.sent_ns
