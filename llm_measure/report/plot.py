"""A series and its changes as an SVG picture."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import floor, log10

import numpy as np

from llm_measure.detection import Change
from llm_measure.report.changes import Better, count, is_worse, percentage
from llm_measure.report.series import Series

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 360, 64, 16, 28, 36
COLOURS = {True: "#c62828", False: "#2e7d32", None: "#1565c0"}
STYLE = (
    "text{font:12px sans-serif;fill:#555}.grid{stroke:#e4e4e4}.level{stroke:#222;stroke-width:2}"
    ".runs{fill:none;stroke:#8aa4c8;stroke-width:3;stroke-linecap:round}.raised{stroke-dasharray:2 4}"
)
X_TICKS, Y_TICKS = 6, 5


class _Axes:
    """Where times and values are in the picture."""

    def __init__(self, times: np.ndarray, values: np.ndarray):
        low, high = float(values.min()), float(values.max())
        room = (high - low) / 20 or high / 20
        self.begin, self.end = float(times[0]), max(float(times[-1]), float(times[0]) + 1)
        self.low, self.high = low - room, high + room

    def x(self, time: float) -> float:
        share = (time - self.begin) / (self.end - self.begin)
        return float(round(LEFT + share * (WIDTH - LEFT - RIGHT), 1))

    def y(self, value: float) -> float:
        share = (self.high - value) / (self.high - self.low)
        return float(round(TOP + share * (HEIGHT - TOP - BOTTOM), 1))


def as_svg(changes: Sequence[Change], series: Series, better: Better) -> str:
    """Return the runs as dots, the levels as lines, and each change with the moment when it is raised."""
    parts: list[str] = []
    if len(series.values):
        axes = _Axes(series.times, series.values)
        points = zip(series.times, series.values, strict=True)
        dots = "".join(f"M{axes.x(time)} {axes.y(value)}h0" for time, value in points)
        parts = [*_grid(axes), f'<path class="runs" d="{dots}"/>', *_levels(axes, changes, series.times)]
        parts += [part for change in changes for part in _change(axes, change, series.times, better)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"<title>{count(len(series.values), 'run')}, {count(len(changes), 'change')} of level</title>"
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _grid(axes: _Axes) -> Iterator[str]:
    step = _round_step((axes.high - axes.low) / Y_TICKS)
    for number in range(int(np.ceil(axes.low / step)), int(axes.high / step) + 1):
        y = axes.y(number * step)
        yield _line("grid", LEFT, y, WIDTH - RIGHT, y) + _text(LEFT - 8, y + 4, f"{number * step:.6g}", "end")
    for time in np.linspace(axes.begin, axes.end, X_TICKS):
        anchor = {axes.begin: "start", axes.end: "end"}.get(float(time), "middle")
        label = f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"
        yield _text(axes.x(time), HEIGHT - BOTTOM + 20, label, anchor)


def _round_step(least: float) -> float:
    """Return the least of 1, 2, 5, 10, ... (with any power of 10) that is not below it."""
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def _levels(axes: _Axes, changes: Sequence[Change], times: np.ndarray) -> Iterator[str]:
    levels = [change.before for change in changes[:1]] + [change.after for change in changes]
    edges = [0, *(change.index for change in changes), len(times) - 1]
    for level, begin, end in zip(levels, edges, edges[1:], strict=False):
        yield _line("level", axes.x(times[begin]), axes.y(level), axes.x(times[end]), axes.y(level))


def _change(axes: _Axes, change: Change, times: np.ndarray, better: Better) -> Iterator[str]:
    colour = COLOURS[is_worse(change, better)]
    x = axes.x(times[change.index])
    yield f'<g stroke="{colour}">{_line("change", x, TOP, x, HEIGHT - BOTTOM)}'
    if change.detected_at_index is not None:
        raised = axes.x(times[change.detected_at_index])
        yield _line("raised", raised, TOP, raised, HEIGHT - BOTTOM)
    yield f"</g>{_text(x, TOP - 8, percentage(change.change), 'middle')}"


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
