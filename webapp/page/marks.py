"""Positions of the dots, whiskers and sparklines in the table, which the template draws as SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MARGIN = 0.06  # of the scale, at each end
TICKS = 4
WIDTH, HEIGHT, PADDING = 96, 28, 3  # of a sparkline, in pixels


@dataclass(frozen=True)
class Scale:
    """The scale that all dots of a column share."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float | None]) -> "Scale":
        """Return a scale that holds all values, which must not be negative; None is ignored."""
        known = [value for value in values if value is not None]
        low, high = min(known), max(known)
        margin = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
        return cls(max(low - margin, 0.0), high + margin)

    def at(self, value: float) -> float:
        """Return the value's position on the scale, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return up to five round values on the scale."""
        rough = (self.high - self.low) / TICKS
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [round(number * step, 12) for number in range(first, last + 1)]


def percent(ratio: float) -> str:
    """Format a ratio as a percentage for SVG."""
    return f"{ratio * 100:.2f}%"


@dataclass(frozen=True)
class Sparkline:
    """A line through values over time, in pixels of a WIDTH by HEIGHT picture."""

    points: str
    last_x: float
    last_y: float


def sparkline(values: Sequence[tuple[float, float]]) -> Sparkline | None:
    """Return the line through (time, value) pairs, which must be ordered by time; None without any."""
    if not values:
        return None
    times, heights = [time for time, _ in values], [value for _, value in values]
    xs = _spread(times, PADDING, WIDTH - PADDING, WIDTH - PADDING)
    ys = _spread(heights, HEIGHT - PADDING, PADDING, HEIGHT / 2)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return Sparkline(points, round(xs[-1], 1), round(ys[-1], 1))


def _spread(values: list[float], start: float, end: float, middle: float) -> list[float]:
    """Map the values to the range from start to end; all to `middle` if they are equal."""
    low, high = min(values), max(values)
    if high == low:
        return [middle] * len(values)
    return [start + (value - low) / (high - low) * (end - start) for value in values]
