"""A panel of levels by load: their confidence bounds, the bracket and the capacity."""

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from llm_measure.report.drawing.palette import BOUND, BOUND_LINE, INK, LINES, TITLE
from llm_measure.report.drawing.record import LoadPanel, Points

# Each verdict has a shape, too, since colors alone are not distinct for everyone.
MARKS = {"met": (LINES[0], "o"), "missed": (BOUND, "X"), "undecided": (LINES[1], "s")}
CAPACITY = LINES[2]
ROOM = 1.15  # around the least and the greatest load, as a factor
NARROW, WIDE = 4, 200  # ratios of loads: below, ticks are at equal distances; above, at powers of 10


def draw(axes: Axes, panel: LoadPanel) -> None:
    """Draw the panel; an unknown value is at its top, and a bound that is unknown at its edge."""
    axes.set_title(panel.title, **TITLE)
    left, right = _draw_loads(axes, [load for points in panel.points for load in points.x] or [1.0])
    axes.set_ylim(0, panel.top)
    axes.axhline(panel.bound, **BOUND_LINE)
    if panel.low is not None or panel.high is not None:
        axes.axvspan(
            panel.low or left, panel.high or right, color=CAPACITY, alpha=0.12, linewidth=0, label="bracket"
        )
    if panel.capacity is not None:
        # Wide, since a level may be in front of it.
        axes.axvline(
            panel.capacity, color=CAPACITY, alpha=0.5, linewidth=4, label=f"capacity {panel.capacity:.4g}"
        )
    for points in panel.points:
        _draw_points(axes, points, panel.top)
    if panel.points:
        axes.legend(
            frameon=False, labelcolor=INK, fontsize="small", ncols=5, columnspacing=1.2, handlelength=1.2,
            loc="upper center", bbox_to_anchor=(0.5, -0.17),  # below, since points may be anywhere
        )  # fmt: skip


def _draw_loads(axes: Axes, loads: list[float]) -> tuple[float, float]:
    """Draw the axis of loads, and return its ends."""
    left, right = min(loads) / ROOM, max(loads) * ROOM
    ratio = right / left
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(
        MaxNLocator(6) if ratio < NARROW else LogLocator(subs=(1, 2, 5) if ratio < WIDE else (1,))
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    return left, right


def _draw_points(axes: Axes, points: Points, top: float) -> None:
    color, shape = MARKS[points.verdict]
    low = [min(value or 0, top) for value in points.low]
    high, y = (
        [top if value is None else min(value, top) for value in each] for each in (points.high, points.y)
    )
    axes.vlines(points.x, low, high, color=color, linewidth=1.5)
    # Not clipped, so that the marks at the edges are whole.
    axes.plot(
        points.x, y, shape, color=color, markersize=7, label=points.verdict, clip_on=False,
        markerfacecolor="none" if points.verdict == "undecided" else color,
    )  # fmt: skip
