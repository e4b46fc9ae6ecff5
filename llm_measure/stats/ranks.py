"""Ranks that say no more than the data does."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rank:
    """The best and the worst place that the intervals allow; `low` is the rank that is shown."""

    low: int
    high: int


def rank_intervals(
    intervals: Sequence[tuple[float, float] | None], better: Literal["lower", "higher"]
) -> list[Rank]:
    """The rank of each of the `intervals` (low, high) of one metric's means, in their order.

    An LLM is surely beaten only by those whose interval lies wholly on the better side of its own, and
    surely beats only those wholly on the worse side: rank = 1 + the number of the former, worst rank = all
    minus the number of the latter. LLMs that cannot be told apart so share the rank (the rule by which the
    Chatbot Arena ranks: Chiang et al., ICML 2024, section 5). None, no interval known, can be told from none.
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
