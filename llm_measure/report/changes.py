"""The changes of a series as a table and as a JSON document."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from llm_measure.detection import Change
from llm_measure.report.numbers import shown
from llm_measure.report.series import Series

Better = Literal["lower", "higher"] | None

VERDICTS = {True: "[red]worse[/]", False: "[green]better[/]", None: ""}


def document(changes: Sequence[Change], series: Series, better: Better) -> dict[str, Any]:
    """Return the changes for scripts; indexes are those of rows below the header."""
    return {"changes": [_entry(change, series, better) for change in changes]}


def _entry(change: Change, series: Series, better: Better) -> dict[str, Any]:
    """Return a change; `worse` is left out if the better direction is unknown."""
    detected = change.detected_at_index
    return {
        **asdict(change),
        "index": int(series.rows[change.index]),
        "detected_at_index": None if detected is None else int(series.rows[detected]),
        "time": datetime.fromtimestamp(series.times[change.index], UTC).isoformat(),
        **({"worse": is_worse(change, better)} if better else {}),
    }


def is_worse(change: Change, better: Better) -> bool | None:
    """Return whether the change is for the worse; None if the better direction is unknown."""
    return None if better is None else (change.change > 0) == (better == "lower")


def print_changes(changes: Sequence[Change], series: Series, better: Better, console: Console) -> None:
    """Print a row per change, then the number of changes and of runs."""
    if changes:
        console.print(_table(changes, series, better))
    found = count(len(changes), "change") if changes else "No changes"
    failed = series.total - len(series.values)
    without = f", and {failed:,} without a value" if failed else ""
    console.print(f"{found} in {count(len(series.values), 'run')}{without}.", highlight=False)


def count(number: int, noun: str) -> str:
    """Return a number of things, such as 1 run or 1,000 runs."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _table(changes: Sequence[Change], series: Series, better: Better) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for head in ("time (UTC)", "index", "before", "after", "change", "95 % interval"):
        table.add_column(head, justify="left" if "time" in head else "right", no_wrap=True)
    if better:
        table.add_column("", no_wrap=True)
    table.add_column("raised", no_wrap=True)
    for change in changes:
        table.add_row(
            f"{datetime.fromtimestamp(series.times[change.index], UTC):%Y-%m-%d %H:%M}",
            str(series.rows[change.index]),
            shown(change.before),
            shown(change.after),
            percentage(change.change),
            f"{percentage(change.low)} to {percentage(change.high)}",
            *([VERDICTS[is_worse(change, better)]] if better else []),
            _raised(change),
        )
    return table


def percentage(ratio: float) -> str:
    """Return a relative change such as +12.3 %."""
    return f"{100 * ratio:+.1f} %"


def _raised(change: Change) -> str:
    """Return after how many runs of the new level it would have been raised."""
    if change.detected_at_index is None:
        return "not online"
    return f"after {count(change.detected_at_index - change.index + 1, 'run')}"
