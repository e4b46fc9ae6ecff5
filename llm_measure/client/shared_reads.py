"""Parts that shared a read: the kernel says when the last one came, and the others came before.

Where the client read in time they came together. Where it read late, how late they seem to be is kept.
"""

from llm_measure.client.connection import TOGETHER_NS, Exchange


def late_moments(exchange: Exchange) -> dict[int, int]:
    """Return of each part that was read late with a later one by how many ns its moment may be too late.

    By moment: parts of one read get moments that are a nanosecond apart.
    """
    times, shared, late = exchange.times, exchange.shared, {}
    arrivals: dict[int, int] = {}
    for index in sorted(shared, reverse=True):
        arrivals[index] = arrivals.get(index + 1, times[index + 1])
        times[index] = times[index + 1] - 1
    for index in sorted(shared):
        times[index] = max(times[index], times[index - 1] if index else exchange.sent_ns)
        if (width := arrivals[index] - shared[index]) > TOGETHER_NS:
            late[times[index]] = width
    if times and exchange.first_byte_ns is not None:
        exchange.first_byte_ns = min(exchange.first_byte_ns, times[0])
    return late
