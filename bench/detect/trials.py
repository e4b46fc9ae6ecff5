"""Series by seed, and what a detector makes of them online."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from bench.detect.series import (
    CONDITIONS,
    DRIFT,
    HARD,
    HOUR,
    KNOWN_RUNS,
    QUIET,
    USUAL,
    Condition,
    Series,
    Shift,
    generate,
)

MIN_CHANGE = 0.1
STEADY_RUNS = 1000  # looks at each steady series
NINE_DAYS = 1296  # runs every 10 min: a rhythm of days is not known after 500 of them


# Of one series: after which run each is raised, and the relative change.
Alarms = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Task:
    """One series, and after which runs a detector looks at it.

    The first look, after run `first`, only finds out what is known. `direction` is the sign of the first
    change that is wanted; 0: all alarms are wanted.
    """

    times: list[float]
    values: list[float]
    first: int
    direction: int
    min_change: float = MIN_CHANGE


@dataclass(frozen=True)
class Trial:
    """Series of one condition with one change of level, or none.

    `within` are the numbers of runs of the new level after which the shares of found changes are counted.
    """

    condition: Condition
    shift: Shift
    series: int
    within: tuple[int, ...] = (3, 8, 20)

    @property
    def name(self) -> str:
        """Return what differs from other trials."""
        if not self.shift.size:
            return self.condition.name
        drift = f" over {self.shift.over} runs" if self.shift.over > 1 else ""
        return f"{100 * self.shift.size:+.0f} %{drift}, {self.condition.name}"

    @property
    def looks(self) -> int:
        """Return after how many runs of each series a detector looks."""
        return STEADY_RUNS if not self.shift.size else self.within[-1]

    def tasks(self) -> list[Task]:
        """Return a task per series."""
        runs = self.shift.at + self.looks
        return [self._task(generate(self.condition, seed, runs, self.shift)) for seed in range(self.series)]

    def _task(self, series: Series) -> Task:
        direction = int(np.sign(self.shift.size))
        return Task(series.times.tolist(), series.values.tolist(), self.shift.at - 1, direction)

    def per_10_000(self, found: Sequence[Alarms]) -> float:
        """Return the alarms per 10,000 runs."""
        return 10_000 * sum(map(len, found)) / (self.series * self.looks)

    def share_within(self, found: Sequence[Alarms], runs: int) -> float:
        """Return the share of series whose change was found with this number of runs of the new level."""
        return sum(self._delay(alarms) <= runs for alarms in found) / self.series

    def median_delay(self, found: Sequence[Alarms]) -> float:
        """Return the runs of the new level that it took; one more than the last look if it was not found."""
        return median(map(self._delay, found))

    def _delay(self, alarms: Alarms) -> int:
        found = (index for index, change in alarms if change * self.shift.size > 0)
        return next(found, self.shift.at + self.looks) - self.shift.at + 1


def steady(number: int) -> list[Trial]:
    """Return trials without a change, `number` series of each condition."""
    return [Trial(condition, Shift(0, at=_at(condition)), number) for condition in CONDITIONS]


def changed(number: int) -> list[Trial]:
    """Return trials with a change, `number` series of each."""
    sizes = (0.05, 0.1, 0.2, 0.5)
    return [
        *(Trial(USUAL, Shift(sign * size), number) for sign in (1, -1) for size in sizes),
        *(Trial(QUIET, Shift(size), number) for size in sizes[:3]),
        *(Trial(condition, Shift(0.2, at=_at(condition)), number) for condition in HARD),
        Trial(USUAL, DRIFT, number, within=(50, 80, 120)),
    ]


def _at(condition: Condition) -> int:
    return KNOWN_RUNS if condition.interval == HOUR else NINE_DAYS
