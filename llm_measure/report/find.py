"""A capacity search as a table for a terminal, as CSV and as lines."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_measure.report.numbers import shown
from llm_measure.text import csv_cell, printable

UNITS = {"rate": "requests/s", "concurrency": "concurrent requests"}


def print_search(find: Mapping[str, Any], console: Console) -> None:
    """Print the capacity, and a line for each level of the path; `find` is that of the JSON document."""
    console.print(f"[bold]{escape(capacity_line(find))}[/]", highlight=False)
    table = Table()
    table.add_column(find["kind"], justify="right", no_wrap=True)
    for name in (
        "requests",
        "verdict",
        *(f"{name} <= {shown(bound)}" for name, bound in find["slo"].items()),
    ):
        table.add_column(name, no_wrap=True)
    for step in find["path"]:
        cells = (_attained(found) for found in step["attained"].values())
        table.add_row(shown(step["load"]), shown(step["requests"]), step["verdict"], *cells)
    console.print(table)
    for step in find["path"]:
        if step["reason"]:
            line = f"{find['kind']} {shown(step['load'])}: {printable(step['reason'])}"
            console.print(line, markup=False, highlight=False)


def capacity_line(find: Mapping[str, Any]) -> str:
    """Return the result in one line."""
    if find["reason"]:
        found = f"unknown; {printable(find['reason'])}"
    elif find["capacity"] is None:
        found = "none; the objectives are missed even at the lowest load"
    else:
        found = f"{shown(find['capacity'])} {UNITS[find['kind']]}"
    bracket = f"met at {shown(find['low'])}, missed at {shown(find['high'])}"
    decided = "" if find["decided"] else ", not decided within 10 %"
    return f"Capacity: {found} ({bracket}{decided}; {find['requests']:,} requests)"


def step_line(kind: str, step: Mapping[str, Any]) -> str:
    """Return a level of the search in one line."""
    attained = ", ".join(f"{name} {_attained(found)}" for name, found in step["attained"].items())
    return f"{kind} {shown(step['load'])}: {step['verdict']} after {step['requests']} requests: {attained}"


def path_csv(find: Mapping[str, Any]) -> str:
    """Return one line per level and objective."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("load", "requests", "level_verdict", "throughput", "objective", "bound", "value", "low", "high",
         "verdict", "share_above", "effective_requests", "reason")
    )  # fmt: skip
    for step in find["path"]:
        for name, found in step["attained"].items():
            writer.writerow(
                (step["load"], step["requests"], step["verdict"], step["throughput"], name, find["slo"][name],
                 found["value"], found["low"], found["high"], found["verdict"], found["share"],
                 found["effective"], csv_cell(step["reason"] or ""))
            )  # fmt: skip
    return text.getvalue()


def _attained(found: Mapping[str, Any]) -> str:
    return f"{shown(found['value'])} ({shown(found['low'])} to {shown(found['high'])}) {found['verdict']}"
