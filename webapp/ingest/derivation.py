"""What is stored of each run, compared with what it is derived from, day by day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

import numpy as np

from llm_measure.metrics import METRICS
from webapp.settings import Settings
from webapp.store import Connection, derived, partitions, points, retention, rollups
from webapp.store.derived import Difference, StoredRun
from webapp.store.rollups import Rollup

ONE_DAY = timedelta(days=1)
NAMES = {metric.id: metric.name for metric in METRICS}


@dataclass(frozen=True)
class Day:
    """A UTC day, with whether its points are still kept; rollups of runs, and hours, expired by `expired`."""

    start: datetime
    keeps_points: bool
    expired: datetime

    @property
    def end(self) -> datetime:
        """The start of the next day."""
        return self.start + ONE_DAY


@dataclass(frozen=True)
class Checked:
    """A run of a day, with its values by metric id.

    `rollups` are those to store instead of the present ones, None if these are right or cannot be derived.
    """

    run: StoredRun | None
    values: Mapping[int, np.ndarray]
    differences: list[Difference] = field(default_factory=list)
    rollups: list[Rollup] | None = None


def days(conn: Connection, settings: Settings, now: datetime) -> list[Day]:
    """Return all days of which anything is stored, ascending."""
    expired = retention.rollups_expired(settings, now)
    kept = {datetime.combine(day, time(), UTC) for day in partitions.days(conn, "points")}
    found = set(derived.days(conn))
    found |= {day for day in kept - found if points.exist(conn, day, day + ONE_DAY)}
    return [Day(day, day in kept, expired) for day in sorted(found)]


def checked(conn: Connection, day: Day) -> Iterator[Checked]:
    """Yield the day's runs, each compared with its points, in the caller's transaction.

    Points that belong to no run come with a run of None.
    """
    remaining = {run.id: run for run in derived.runs_between(conn, day.start, day.end)}
    for run_id, values in points.stream(conn, day.start, day.end) if day.keeps_points else ():
        run = remaining.pop(run_id, None)
        if run:
            yield _checked(conn, day, run, values)
        else:
            stray = Difference("points", f"run {run_id}", [], {"points": _count(values)}, None)
            yield Checked(None, values, [stray])
    for run in remaining.values():
        yield _checked(conn, day, run, {})


def _checked(conn: Connection, day: Day, run: StoredRun, values: Mapping[int, np.ndarray]) -> Checked:
    stored = rollups.read(conn, run.id)
    if not stored and run.slot < day.expired:
        return Checked(run, values)
    expected = run.points if run.status == "finished" else 0
    count = _count(values)
    if count == expected or (expected is None and count):
        right = {metric_id: Rollup.of(run.id, metric_id, numbers) for metric_id, numbers in values.items()}
        differences = list(_differing(run, stored, right))
        return Checked(run, values, differences, list(right.values()) if differences else None)
    return Checked(run, values, list(_incomplete(day, run, count, stored)))


def _incomplete(day: Day, run: StoredRun, count: int, stored: Mapping[int, Rollup]) -> Iterator[Difference]:
    """Yield what can be said of a run whose points are not as many as were stored: expired, lost or added."""
    if count or (day.keeps_points and run.points):
        yield Difference("points", f"run {run.id}", ["points"], {"points": count}, {"points": run.points})
    n = sum(rollup.n for rollup in stored.values())
    if run.points is not None and n != run.points:
        yield Difference("rollups", f"run {run.id}", ["n"], {"n": n}, {"n": run.points})


def _differing(
    run: StoredRun, stored: Mapping[int, Rollup], right: Mapping[int, Rollup]
) -> Iterator[Difference]:
    for metric_id in sorted(stored.keys() | right.keys()):
        mine, other = stored.get(metric_id), right.get(metric_id)
        columns = mine.faults(other) if mine and other else []
        if columns or mine is None or other is None:
            where = f"run {run.id} {NAMES.get(metric_id, metric_id)}"
            yield Difference("rollups", where, columns, _shown(mine), _shown(other))


def _shown(rollup: Rollup | None) -> dict[str, object] | None:
    return {**vars(rollup), "histogram": rollup.histogram.composite} if rollup else None


def _count(values: Mapping[int, np.ndarray]) -> int:
    return sum(map(len, values.values()))
