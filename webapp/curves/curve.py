"""The curve of an LLM: its levels, and its knee."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from llm_measure.stats.knee import knee
from webapp.curves.axes import Axis, MetricAxis
from webapp.curves.levels import Level
from webapp.store import Connection, load_curves
from webapp.store.load_curves import Row

THROUGHPUT = "rps"  # of levels whose x is none
TIMES = ("s", "s/token")  # units of latencies

Values = dict[str, Row]  # of one LLM and level, by the metric's name


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
    level: Level
    values: Values


def read(  # noqa: PLR0913  (each is a part of what is read)
    conn: Connection, levels: Sequence[Level], x: Axis, y: MetricAxis, *, window: str, source: str
) -> list[Curve]:
    """Return a curve for each LLM and kind of load, by name, of the levels at which it has both values."""
    levels_by_name = {each.scenario: each for each in levels if x.needed or each.kind.startswith(x.name)}
    rows = load_curves.read(
        conn,
        scenarios=list(levels_by_name),
        metric_names=[*x.needed, *y.needed, THROUGHPUT],
        window=window,
        source=source,
    )
    by_curve: dict[tuple[str, str], dict[Level, Values]] = {}
    for row in rows:
        level = levels_by_name[row.scenario]
        of_levels = by_curve.setdefault((row.llm_name, level.kind), {})
        of_levels.setdefault(level, {})[row.metric_name] = row
    curves = [Curve(*key, _points(of_levels, x, y)) for key, of_levels in sorted(by_curve.items())]
    return [curve for curve in curves if curve.levels]


def _points(of_levels: dict[Level, Values], x: Axis, y: MetricAxis) -> tuple[Point, ...]:
    needed = {*x.needed, *y.needed}
    measured = [
        _Measured(level, of_levels[level])
        for level in sorted(of_levels, key=lambda level: level.load)
        if needed <= of_levels[level].keys()
    ]
    bend = _bend(measured, x, y)
    return tuple(_point(each, x, y, number == bend) for number, each in enumerate(measured))


def _point(measured: _Measured, x: Axis, y: MetricAxis, is_knee: bool) -> Point:
    level, values = measured
    row, value = values[y.metric.name], y.of(level, values)
    slo = (row.slo or {}).get(y.metric.name)
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
    latencies = [y.of(*each) for each in measured]
    if y.metric.name == "tps":
        latencies = [1 / each if each else 0.0 for each in latencies]
    elif y.unit not in TIMES:
        return None
    if isinstance(x, MetricAxis) and x.metric.better == "higher":
        return knee([x.of(*each) for each in measured], latencies)
    if not all(THROUGHPUT in values for _, values in measured):
        return None
    return knee([values[THROUGHPUT].mean for _, values in measured], latencies)
