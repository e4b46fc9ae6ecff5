"""The picture of load curves: scales, and where lines and points are, in percent of the chart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.curves.curve import Curve, Point

COLORS, DASHES, LINES_PER_DASH = 12, 3, 6
# A scale is logarithmic if its largest value is more than this multiple of its smallest.
LONGEST_LINEAR = 30
# An SLO further above all values would compress them, and is named in words.
HIGHEST_SLO = 2
ROOM = 1.08
TICKS = 6
MOST_FIVEFOLDS = 1000  # the span of a logarithmic scale up to which 2 and 5 have ticks
LOG_ROOM = 1.25
MOST_LABELLED = 4  # lines whose levels are labelled while none is highlighted


@dataclass(frozen=True)
class LinearScale:
    """A scale from 0."""

    high: float
    is_log = False

    def at(self, value: float) -> float:
        """Return the value's position on the scale, from 0 to 1."""
        return value / self.high

    def ticks(self) -> list[float]:
        """Return 0 and up to six round values on the scale."""
        power = 10.0 ** math.floor(math.log10(self.high / TICKS))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= self.high / TICKS)
        return [float(f"{number * step:.10g}") for number in range(math.floor(self.high / step) + 1)]


@dataclass(frozen=True)
class LogScale:
    """A logarithmic scale between values above 0."""

    low: float
    high: float
    is_log = True

    def at(self, value: float) -> float:
        """Return the value's position on the scale, from 0 to 1."""
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Return the powers of ten on the scale, with their doubles and fivefolds if that makes few."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        factors = (1, 2, 5) if self.high / self.low < MOST_FIVEFOLDS else (1,)
        ticks = [float(f"{factor}e{power}") for power in range(first, last + 1) for factor in factors]
        return [tick for tick in ticks if self.low <= tick <= self.high]


Scale = LinearScale | LogScale


@dataclass(frozen=True)
class Mark:
    """A level in the picture; positions from 0 to 1, from the left and from the top."""

    x: float
    y: float
    point: Point


@dataclass(frozen=True)
class Line:
    """An LLM's curve in the picture; `color` counts from 1, `dash` from 0."""

    llm_name: str
    color: int
    dash: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Chart:
    """All lines on common scales; `slo` is the position of the objective, None if it is outside."""

    lines: tuple[Line, ...]
    x: Scale
    y: Scale
    slo: float | None

    @property
    def labels_all(self) -> bool:
        """Whether the labels of all levels have room."""
        return len(self.lines) <= MOST_LABELLED


def chart(curves: Sequence[Curve], slo: float | None) -> Chart:
    """Return the picture of at least one curve."""
    points = [point for curve in curves for point in curve.levels]
    values = [point.y for point in points]
    is_near = slo is not None and slo <= HIGHEST_SLO * max(values)
    x = scale([point.x for point in points])
    y = scale([*values, slo] if is_near and slo is not None else values)
    lines = tuple(
        Line(
            curve.llm_name,
            number % COLORS + 1,
            number // LINES_PER_DASH % DASHES,
            tuple(Mark(x.at(point.x), 1 - y.at(point.y), point) for point in curve.levels),
        )
        for number, curve in enumerate(curves)
    )
    return Chart(lines, x, y, 1 - y.at(slo) if is_near and slo is not None else None)


def scale(values: Sequence[float]) -> Scale:
    """Return a scale that holds all values, which must not be negative: from 0, or a logarithmic one."""
    low, high = min(values), max(values)
    if low > 0 and high / low > LONGEST_LINEAR:
        return LogScale(low / LOG_ROOM, high * LOG_ROOM)
    return LinearScale(high * ROOM or 1.0)
