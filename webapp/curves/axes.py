"""What the axes of a curve show."""

from collections.abc import Mapping
from typing import NamedTuple

from marshmallow import ValidationError, fields

from llm_measure.metrics import METRICS, Metric
from webapp.curves.levels import Level
from webapp.store.leaderboard import Row

STATISTICS = ("mean", "p50", "p90", "p95", "p99")
UNITS = {"concurrency": "requests", "rate": "requests/s", "speed": "times"}  # of loads


class MetricAxis(NamedTuple):
    """A statistic of a metric."""

    name: str
    metric: Metric
    statistic: str

    @property
    def unit(self) -> str:
        """The symbol of the metric's unit."""
        return self.metric.unit.symbol

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of the metrics without which a level has no value."""
        return (self.metric.name,)

    def of(self, level: Level, values: Mapping[str, Row]) -> float:
        """Return the value of a level."""
        return getattr(values[self.metric.name], self.statistic)


class LoadAxis(NamedTuple):
    """The load: concurrency, rate or speed."""

    name: str

    @property
    def unit(self) -> str:
        """The symbol of its unit."""
        return UNITS[self.name]

    @property
    def needed(self) -> tuple[str, ...]:
        """No metric."""
        return ()

    def of(self, level: Level, values: Mapping[str, Row]) -> float:
        """Return the load of a level."""
        return level.load


Axis = MetricAxis | LoadAxis


def axis(name: str) -> Axis:
    """Return the axis of that name: a load, or as `metric_axis`."""
    return LoadAxis(name) if name in UNITS else metric_axis(name)


def metric_axis(name: str) -> MetricAxis:
    """Return the axis of a metric's statistic, such as ttft_p95, or of its mean, ttft; else KeyError."""
    metric, _, statistic = name.rpartition("_")
    if metric in METRICS and statistic in STATISTICS:
        return MetricAxis(name, METRICS[metric], statistic)
    return MetricAxis(name, METRICS[name], "mean")


def axis_filter(default: str, description: str, loads: bool = False) -> fields.String:
    """Return a filter that takes the name of an axis, one of the load only if `loads`."""
    of_loads = tuple(UNITS) if loads else ()

    def check(name: str) -> None:
        if name in of_loads:
            return
        try:
            metric_axis(name)
        except KeyError:
            expected = ", ".join([*METRICS.names, *of_loads])
            raise ValidationError(
                f"must be one of {expected}; a metric may end with one of _{', _'.join(STATISTICS)}"
            ) from None

    names = [*METRICS.names, *(f"{name}_{each}" for name in METRICS.names for each in STATISTICS), *of_loads]
    return fields.String(
        load_default=default,
        validate=check,
        metadata={"description": description, "example": default, "enum": names},
    )
