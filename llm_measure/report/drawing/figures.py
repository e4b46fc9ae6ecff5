"""Drawings as pictures, by Matplotlib, which comes with the extra `plot`."""

import io
import math
import warnings
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from llm_measure.report.drawing import loads
from llm_measure.report.drawing.palette import BOUND, BOUND_LINE, GRID, INK, LINES, MUTED, TITLE
from llm_measure.report.drawing.record import Drawing, Line, LoadPanel, Panel

WIDTH, HEIGHT, COLUMNS, DPI = 6.4, 3.8, 2, 150  # of a panel, in inches
ALONE = (5.2, 3.6)  # of a panel that may be as narrow as a phone
DASHES = ("-", "--", "-.", ":")
# Without text as paths, random ids and dates, so that the same report makes the same picture.
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "llm-measure", "font.size": 9}
RIGHT_ROOM, TOP_ROOM = 1.06, 1.15  # beyond the largest values, as factors; labels are above the points
HIGHEST_BOUND = 2  # times the largest value; one further above would compress the lines


def save(drawing: Drawing, path: Path) -> None:
    """Write all panels to an SVG or PNG file, by the ending of its name; OSError if it cannot be written."""
    rows = math.ceil(len(drawing.panels) / COLUMNS)
    columns = min(COLUMNS, len(drawing.panels))
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # that the font lacks, such as a Chinese one
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows), layout="constrained", facecolor="white")
        figure.suptitle(_literal(drawing.title), color=INK, weight="bold")
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes, panel in zip(grid, drawing.panels, strict=False):
            draw(axes, panel)
        for axes in list(figure.axes)[len(drawing.panels) :]:
            axes.set_visible(False)
        leave_out_overlapping(figure)
        form = path.suffix[1:].lower()
        figure.savefig(path, format=form, dpi=DPI, metadata={"Date": None} if form == "svg" else {})


def svg(panel: Panel) -> str:
    """Return one panel as an SVG element without a background."""
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": panel.title, "font.size": 11}):
        figure = Figure(figsize=ALONE, layout="constrained", facecolor="none")
        draw(figure.subplots(), panel)
        leave_out_overlapping(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def draw(axes: Axes, panel: Panel) -> None:
    """Draw the panel; labels may overlap until `leave_out_overlapping`."""
    axes.set_facecolor("none")
    if isinstance(panel, LoadPanel):
        loads.draw(axes, panel)
    else:
        _draw_lines(axes, panel)
    axes.set_xlabel(panel.x_label, color=MUTED)
    axes.set_ylabel(panel.y_label, color=MUTED)
    axes.tick_params(colors=MUTED, length=0, pad=6)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_lines(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title, **TITLE)
    if not any(line.x for line in panel.lines):
        axes.text(0.5, 0.5, panel.missing, color=INK, ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    for number, line in enumerate(panel.lines):
        _draw_line(axes, line, LINES[number % len(LINES)], DASHES[number % len(DASHES)])
    # Both from 0 on, which the margins of Matplotlib do not include.
    right = max(value for line in panel.lines for value in line.x)
    highest = top = max(value for line in panel.lines for value in line.y)
    if panel.bound is not None and panel.bound <= HIGHEST_BOUND * highest:
        top = max(highest, panel.bound)
        _draw_bound(axes, panel.bound)
    elif panel.bound is not None:
        axes.set_title(f"{panel.title} (SLO {panel.bound:g} is above all values)", **TITLE)
    axes.set(xlim=(0, right * RIGHT_ROOM or 1), ylim=(0, top * TOP_ROOM or 1))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    _draw_labels(axes, panel.lines[-1])
    if len(panel.lines) > 1:
        axes.legend(frameon=False, labelcolor=INK)


def _draw_line(axes: Axes, line: Line, color: str, dash: str) -> None:
    """Draw the line; not clipped, so that marks at the edges are whole."""
    axes.plot(
        line.x, line.y, dash, color=color, marker="o", markersize=4, label=_literal(line.name), clip_on=False
    )
    if line.knee is not None:
        knee = ([line.x[line.knee]], [line.y[line.knee]])
        axes.plot(*knee, "o", color=color, markersize=11, markerfacecolor="none", clip_on=False)


def _draw_bound(axes: Axes, bound: float) -> None:
    axes.axhline(bound, **BOUND_LINE)
    axes.annotate(
        f"SLO {bound:g}", (0, bound), (2, 3), color=BOUND,  # where points are seldom
        xycoords=axes.get_yaxis_transform(), textcoords="offset points",
    )  # fmt: skip


def _draw_labels(axes: Axes, line: Line) -> None:
    """Label the points of the last line alone, since those of others are usually close to them."""
    for x, y, label in zip(line.x, line.y, line.labels, strict=True):
        axes.annotate(_literal(label), (x, y), (0, 7), textcoords="offset points", ha="center", color=INK)


def leave_out_overlapping(figure: Figure) -> None:
    """Remove each label that would cover part of an earlier one, once it is known where they are."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        kept: list[Bbox] = []
        for label in list(axes.texts):
            box = label.get_window_extent().padded(1)
            if box.count_overlaps(kept):
                label.remove()
            else:
                kept.append(box)


def _literal(text: str) -> str:
    """Return text in which a dollar sign begins no formula."""
    return text.replace("$", r"\$")
