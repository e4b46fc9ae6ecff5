"""The course of a capacity search: its levels so far, and the load of the next one."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, inf, sqrt

from llm_measure.capacity import Search
from llm_measure.find.level import Level

TOLERANCE = 1.1  # of high / low: the point between them is then within 5 % of both
STEP = sqrt(TOLERANCE)


class Course:
    """The levels of a search, whose loads double, then bisect."""

    def __init__(self, search: Search):
        self._search = search
        self._factor = 2.0 if search.start is None else TOLERANCE
        self.levels: list[Level] = []

    @property
    def low(self) -> float | None:
        """The greatest load that was met; one above a missed load was met by chance."""
        high = self.high or inf
        met = (level.load for level in self.levels if level.verdict == "met" and level.load < high)
        return max(met, default=None)

    @property
    def high(self) -> float | None:
        """The least load that was missed."""
        return min((level.load for level in self.levels if level.verdict == "missed"), default=None)

    @property
    def is_narrow(self) -> bool:
        """Whether low and high are as close as is wanted."""
        low, high = self.low, self.high
        return low is not None and high is not None and self._is_narrow(low, high)

    def at(self, load: float) -> Level | None:
        """Return the level of that load; None if there is none yet."""
        return next((level for level in self.levels if level.load == load), None)

    def next_load(self) -> float | None:
        """Return the load of the next batch, which prolongs a level or is a new one; None at the end."""
        low, high = self.low, self.high or self._limit
        if high is None:
            return self._upwards()
        undecided = [
            level
            for level in self.levels
            if level.verdict == "undecided" and not level.is_disturbed and (low or 0) < level.load < high
        ]
        is_open = [level.load for level in undecided if level.is_open]
        if is_open:
            return max(is_open)
        if low is None:
            return None if self.high is None else self._downwards()
        if self._is_narrow(low, high):
            return None
        return self._between(low, high, sorted(undecided, key=lambda level: level.load))

    def disturbed(self) -> Level | None:
        """Return the lowest level that the client could not hold and the search would have needed."""
        low, high = self.low or 0, self.high or inf
        between = (level for level in self.levels if level.is_disturbed and low < level.load < high)
        return None if self.is_narrow else min(between, key=lambda level: level.load, default=None)

    @property
    def _limit(self) -> float | None:
        """The least load above all valid levels that the client could not hold."""
        valid = max((level.load for level in self.levels if not level.is_disturbed), default=0)
        above = (level.load for level in self.levels if level.is_disturbed and level.load > valid)
        return min(above, default=None)

    def _is_narrow(self, low: float, high: float) -> bool:
        is_next = self._search.kind == "concurrency" and high - low <= 1
        return is_next or high / low <= TOLERANCE * (1 + 1e-9)

    def _upwards(self) -> float:
        """Return a load above all levels, unless the highest seems missed: that is to be decided first."""
        top = max(self.levels, key=lambda level: level.load)
        if top.is_open and top.seems_missed(self._search):
            return top.load
        return self._rounded(top.load * self._factor_beyond(top), up=True)

    def _downwards(self) -> float | None:
        bottom = min(self.levels, key=lambda level: level.load)
        if self._search.kind == "concurrency" and bottom.load <= 1:
            return None
        return self._rounded(bottom.load / self._factor_beyond(bottom))

    def _factor_beyond(self, level: Level) -> float:
        """Return the factor to the next load, which grows up to doubling.

        Next to a level that could not be decided it is small, but squares with each of them.
        """
        if level.is_closed and not level.is_disturbed:
            closed = sum(each.is_closed for each in self.levels)
            return min(STEP**2 ** (closed - 1), 2.0)
        factor, self._factor = self._factor, min(self._factor**2, 2.0)
        return factor

    def _between(self, low: float, high: float, undecided: Sequence[Level]) -> float | None:
        """Return a load within the bracket, next to levels that the budget could not decide."""
        if not undecided:
            return self._around_disturbed(low, high)
        lowest, highest = undecided[0], undecided[-1]
        below = above = None
        if lowest.load / low > STEP:
            below = self._new(max(lowest.load / STEP, sqrt(low * lowest.load)))
        if high / highest.load > STEP:
            above = self._new(min(highest.load * STEP, sqrt(high * highest.load)), up=True)
        return below or above if highest.seems_missed(self._search) else above or below

    def _around_disturbed(self, low: float, high: float) -> float | None:
        """Return the middle of the widest gap in the bracket that levels the client could not hold leave."""
        disturbed = sorted(
            level.load for level in self.levels if level.is_disturbed and low < level.load < high
        )
        gaps = sorted(pairwise([low, *disturbed, high]), key=lambda ends: ends[1] / ends[0], reverse=True)
        middles = (self._new(sqrt(below * above), up=True) for below, above in gaps if above / below > STEP)
        return next((load for load in middles if load), None)

    def _new(self, load: float, up: bool = False) -> float | None:
        load = self._rounded(load, up)
        return None if self.at(load) else load

    def _rounded(self, load: float, up: bool = False) -> float:
        if self._search.kind == "rate":
            return load
        return ceil(load - 1e-9) if up else max(1, int(load + 1e-9))
