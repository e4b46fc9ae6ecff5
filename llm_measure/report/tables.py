"""The levels of a measurement as tables for a terminal."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_measure.report.comparison import comparison
from llm_measure.report.errors import error_lines, failed
from llm_measure.report.loads import title
from llm_measure.report.notes import notes
from llm_measure.report.numbers import shown
from llm_measure.text import printable

PIPE_WIDTH = 240  # a pipe has no width, and no figure may be cut there
# Figures, and whether quantiles have their intervals; the first that fits the terminal is taken.
LAYOUTS = (
    (("n", "mean", "stddev", "min", "max", "p50", "p90", "p95", "p99"), True),
    (("n", "mean", "p50", "p95", "p99"), True),
    (("n", "mean", "p50", "p99"), True),
    (("n", "mean", "p50", "p99"), False),
)


def print_tables(levels: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print a table per level, and one that compares several; `levels` are the JSON document's.

    On a narrow terminal, there are fewer figures.
    """
    for level in levels:
        console.print(f"[bold]{_title(level)}[/]", highlight=False)
        _print_messages(level, console)
        tables = [_table(level["metrics"], *layout) for layout in LAYOUTS]
        fitting = (table for table in tables if _width(table, console) <= console.width)
        console.print(next(fitting, tables[-1]))
        if "by_turn" in level:
            console.print(_by_turn(level["by_turn"]))
    if len(levels) > 1:
        console.print(comparison(levels))


def _width(table: Table, console: Console) -> int:
    """Return how wide the table is if nothing is cut."""
    unlimited = console.options.update(max_width=sys.maxsize)
    return console.measure(table, options=unlimited).maximum


def _table(metrics: Mapping[str, Any], names: Sequence[str], with_intervals: bool) -> Table:
    table = Table()
    table.add_column("metric", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for metric, figures in metrics.items():
        table.add_row(metric, figures["unit"], *(_cell(figures, name, with_intervals) for name in names))
    return table


def _by_turn(turns: Mapping[str, Any]) -> Table:
    """Return the table of first turns against later ones."""
    table = Table()
    for name in ("metric", "unit", "turns"):
        table.add_column(name, no_wrap=True)
    names = ("n", "mean", "p50", "p95", "p99")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for metric in turns["first"]:
        for which, metrics in turns.items():
            figures = metrics[metric]
            table.add_row(metric, figures["unit"], which, *(shown(figures[name]) for name in names))
    return table


def _cell(figures: Mapping[str, Any], name: str, with_interval: bool) -> str:
    """Return the figure, a quantile with its confidence interval if it has one."""
    value, low = shown(figures[name]), figures.get(f"{name}_low")
    if not with_interval or low is None:
        return value
    return f"{value} ({shown(low)}-{shown(figures[f'{name}_high'])})"


def _print_messages(level: Mapping[str, Any], console: Console) -> None:
    """Print what a reader must know before the figures: first what went wrong."""
    if not level["valid"]:
        console.print(
            f"[bold red]not valid[/]: {escape(printable(level['invalid_reason']))}", highlight=False
        )
    for line in (*error_lines(level), *notes(level)):
        console.print(line, markup=False, highlight=False)


def _title(level: Mapping[str, Any]) -> str:
    return escape(
        f"{title(level)}: {level['requests']} requests, {failed(level)} failed, {level['duration_s']:.1f} s"
    )
