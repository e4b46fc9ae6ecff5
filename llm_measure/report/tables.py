"""The levels of a measurement as tables for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_measure.report.errors import error_lines, failed
from llm_measure.report.notes import notes
from llm_measure.stats.summary import NAMES
from llm_measure.text import printable

PIPE_WIDTH = 140  # a pipe has no width, and no figure may be cut there
WIDE = 132  # columns of a terminal that all figures need
NARROW_NAMES = ("n", "mean", "p50", "p99")


def print_tables(levels: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print a table per level, with fewer figures on a narrow terminal; `levels` are the JSON document's."""
    names = NAMES if console.width >= WIDE else NARROW_NAMES
    for level in levels:
        console.print(f"[bold]{_title(level)}[/]", highlight=False)
        _print_messages(level, console)
        table = Table()
        table.add_column("metric", no_wrap=True)
        table.add_column("unit", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        for name, figures in level["metrics"].items():
            table.add_row(name, figures["unit"], *(_shown(figures[figure]) for figure in names))
        console.print(table)


def _print_messages(level: Mapping[str, Any], console: Console) -> None:
    """Print what a reader must know before the figures: first what went wrong."""
    if not level["valid"]:
        console.print(
            f"[bold red]not valid[/]: {escape(printable(level['invalid_reason']))}", highlight=False
        )
    for line in (*error_lines(level), *notes(level)):
        console.print(line, markup=False, highlight=False)


def _title(level: Mapping[str, Any]) -> str:
    load = f"concurrency {level['concurrency']}" if "concurrency" in level else ""
    load = load or f"{level['pattern']} arrivals, {level['rate']:g}/s"
    return escape(
        f"{load}: {level['requests']} requests, {failed(level)} failed, {level['duration_s']:.1f} s"
    )


def _shown(value: float | None) -> str:
    """Return four significant digits, or all digits before the point."""
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
