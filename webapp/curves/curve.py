"""The curve of an LLM: its levels, and its knee."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from llm_measure.stats.knee import knee
from webapp.curves.axes import Axis, MetricAxis
from webapp.curves.levels import Level
from webapp.store import Connection, leaderboard, scenarios
from webapp.store.leaderboard import Row

THROUGHPUT = "rps"  # of levels whose x is none
TIMES = ("s", "s/token")  # units of latencies


@dataclass(frozen=True)
class Point:
    """A level of a curve; x and y in the units of their axes, `slo` is the bound of y."""

    level: float
    scenario: str
    x: float
    y: float
    n: int  # values of y
    runs: int
    ci_low: float | None  # of y, if it is a mean
    ci_high: float | None
    slo: float | None
    meets_slo: bool | None
    knee: bool
    last_measured: datetime


@dataclass(frozen=True)
class Curve:
    """An LLM's levels of one kind of load, ascending."""

    llm_name: str
    kind: str
    levels: tuple[Point, ...]


class _Measured(NamedTuple):
    """An LLM's values at a level, by the metric's name, with the level's SLO."""

    level: Level
    slo: dict[str, float]
    values: dict[str, Row]


def read(  # noqa: PLR0913  (each is a part of what is read)
    conn: Connection, levels: Sequence[Level], x: Axis, y: MetricAxis, *, window: str, source: str
) -> list[Curve]:
    """Return a curve for each LLM and kind of load, by name, of the levels at which it has both values."""
    levels_by_name = {each.scenario: each for each in levels if x.needed or each.kind.startswith(x.name)}
    objectives = scenarios.objectives(conn, list(levels_by_name))
    rows = leaderboard.read_scenarios(
        conn,
        scenario_ids=list(objectives),
        metric_names=[*x.needed, *y.needed, THROUGHPUT],
        window=window,
        source=source,
    )
    by_curve: dict[tuple[str, str], dict[Level, _Measured]] = {}
    for row in rows:
        of = objectives[row.scenario_id]
        level = levels_by_name[of.scenario]
        by_level = by_curve.setdefault((row.llm_name, level.kind), {})
        by_level.setdefault(level, _Measured(level, of.slo, {})).values[row.metric_name] = row
    curves = [Curve(*key, _points(by_level.values(), x, y)) for key, by_level in sorted(by_curve.items())]
    return [curve for curve in curves if curve.levels]


def _points(found: Iterable[_Measured], x: Axis, y: MetricAxis) -> tuple[Point, ...]:
    needed = {*x.needed, *y.needed}
    measured = sorted(
        (each for each in found if needed <= each.values.keys()), key=lambda each: each.level.load
    )
    bend = _bend(measured, x, y)
    return tuple(_point(each, x, y, number == bend) for number, each in enumerate(measured))


def _point(measured: _Measured, x: Axis, y: MetricAxis, is_knee: bool) -> Point:
    level, bounds, values = measured
    row, value = values[y.metric.name], y.of(level, values)
    slo = bounds.get(y.metric.name)
    is_mean = y.statistic == "mean"
    return Point(
        level=level.load,
        scenario=level.scenario,
        x=x.of(level, values),
        y=value,
        n=row.n,
        runs=row.runs,
        ci_low=row.ci_low if is_mean else None,
        ci_high=row.ci_high if is_mean else None,
        slo=slo,
        meets_slo=None if slo is None else value <= slo,
        knee=is_knee,
        last_measured=row.last_measured,
    )


def _bend(measured: Sequence[_Measured], x: Axis, y: MetricAxis) -> int | None:
    """Return the index of the knee; None without one, or if y is no latency, nor the inverse of one."""
    latencies = [y.of(each.level, each.values) for each in measured]
    if y.metric.name == "tps":
        latencies = [1 / each if each else 0.0 for each in latencies]
    elif y.unit not in TIMES:
        return None
    if isinstance(x, MetricAxis) and x.metric.better == "higher":
        return knee([x.of(each.level, each.values) for each in measured], latencies)
    if not all(THROUGHPUT in each.values for each in measured):
        return None
    return knee([each.values[THROUGHPUT].mean for each in measured], latencies)
