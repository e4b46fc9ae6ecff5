"""A change of level of a series."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A change of level: `index` is that of the first value of the new level.

    `detected_at_index` is that of the value after which it would have been raised online; None if it would
    not. `before` and `after` are the levels, in the series' unit; `change` is (after - before) / before, with
    its 95 % confidence interval from `low` to `high`.
    """

    index: int
    detected_at_index: int | None
    before: float
    after: float
    change: float
    low: float
    high: float

    def may_be(self, size: float) -> bool:
        """Return whether the interval has a change of this size or more, in either direction."""
        return max(abs(self.low), abs(self.high)) >= size
