"""Ranks that claim only what the data supports."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rank:
    """The best and the worst rank that the intervals allow; `low` is the one that is shown."""

    low: int
    high: int


def rank_intervals(
    intervals: Sequence[tuple[float, float] | None], better: Literal["lower", "higher"]
) -> list[Rank]:
    """Return the rank of each of the `intervals` (low, high) of one metric's means, in their order.

    An LLM is certainly worse only than those whose interval lies entirely on the better side, and certainly
    better only than those whose interval lies entirely on the worse side: rank = 1 + the number of the
    former, worst rank = all minus the number of the latter. So LLMs whose intervals overlap share a rank, as
    in the Chatbot Arena (Chiang et al., ICML 2024, section 5). None, an unknown interval, overlaps with all.
    """
    known = [interval for interval in intervals if interval is not None]
    lows = sorted(low for low, _ in known)
    highs = sorted(high for _, high in known)
    total = len(intervals)

    def rank(interval: tuple[float, float] | None) -> Rank:
        if interval is None:
            return Rank(1, total)
        low, high = interval
        below = bisect_left(highs, low)  # those that end before this one begins
        above = len(lows) - bisect_right(lows, high)  # those that begin after this one ends
        beaten_by, beats = (below, above) if better == "lower" else (above, below)
        return Rank(1 + beaten_by, total - beats)

    return [rank(interval) for interval in intervals]
