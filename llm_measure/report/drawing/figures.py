"""Drawings as pictures, by Matplotlib, which comes with the extra `plot`."""

import io
import math
import warnings
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from llm_measure.report.drawing import loads
from llm_measure.report.drawing.palette import BOUND, BOUND_LINE, GRID, INK, LINES, MUTED, TITLE
from llm_measure.report.drawing.record import Drawing, Line, LoadPanel, Panel

WIDTH, HEIGHT, COLUMNS, DPI = 6.4, 3.8, 2, 150  # of a panel, in inches
ALONE = (5.2, 3.6)  # of a panel that may be as narrow as a phone
DASHES = ("-", "--", "-.", ":")
# Without text as paths, random ids and dates, so that the same report makes the same picture.
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "llm-measure", "font.size": 9}
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
            _draw(axes, panel)
        for axes in list(figure.axes)[len(drawing.panels) :]:
            axes.set_visible(False)
        form = path.suffix[1:].lower()
        figure.savefig(path, format=form, dpi=DPI, metadata={"Date": None} if form == "svg" else {})


def svg(panel: Panel) -> str:
    """Return one panel as an SVG element without a background."""
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": panel.title, "font.size": 11}):
        figure = Figure(figsize=ALONE, layout="constrained", facecolor="none")
        _draw(figure.subplots(), panel)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def _draw(axes: Axes, panel: Panel) -> None:
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
    for number, line in enumerate(panel.lines):
        _draw_line(axes, line, LINES[number % len(LINES)], DASHES[number % len(DASHES)])
    if panel.lines:
        _draw_labels(axes, panel.lines[-1])
    highest = max((value for line in panel.lines for value in line.y), default=0)
    title = panel.title
    if panel.bound is not None and panel.bound <= HIGHEST_BOUND * highest:
        axes.axhline(panel.bound, **BOUND_LINE)
        axes.annotate(
            f"SLO {panel.bound:g}", (1, panel.bound), (-2, 3), color=BOUND, ha="right",
            xycoords=axes.get_yaxis_transform(), textcoords="offset points",
        )  # fmt: skip
    elif panel.bound is not None:
        title += f" (SLO {panel.bound:g} is above all values)"
    axes.set_title(title, **TITLE)
    axes.margins(0.06, 0.12)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if len(panel.lines) > 1:
        axes.legend(frameon=False, labelcolor=INK)


def _draw_line(axes: Axes, line: Line, color: str, dash: str) -> None:
    axes.plot(line.x, line.y, dash, color=color, marker="o", markersize=4, label=_literal(line.name))
    if line.knee is not None:
        knee = ([line.x[line.knee]], [line.y[line.knee]])
        axes.plot(*knee, "o", color=color, markersize=11, markerfacecolor="none")


def _draw_labels(axes: Axes, line: Line) -> None:
    """Label the points of the last line alone, since those of others are usually close to them."""
    for x, y, label in zip(line.x, line.y, line.labels, strict=True):
        axes.annotate(_literal(label), (x, y), (0, 7), textcoords="offset points", ha="center", color=INK)


def _literal(text: str) -> str:
    """Return text in which a dollar sign begins no formula."""
    return text.replace("$", r"\$")
