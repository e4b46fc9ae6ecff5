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


def print_search(find: Mapping[str, Any], console: Console) -> None:
    """Print the capacity, and a line for each level of the path; `find` is that of the JSON document."""
    console.print(f"[bold]{escape(capacity_line(find))}[/]", highlight=False)
    table = Table()
    columns, rows = path_table(find)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in reasons(find):
        console.print(line, markup=False, highlight=False)


def path_table(find: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the columns, and a row for each level in the order of measuring."""
    slo = [f"{name} <= {shown(bound)}" for name, bound in find["slo"].items()]
    return [find["unit"], "requests", "verdict", *slo], [
        [
            shown(step["load"]),
            shown(step["requests"]),
            step["verdict"],
            *map(_attained, step["attained"].values()),
        ]
        for step in find["path"]
    ]


def reasons(find: Mapping[str, Any]) -> list[str]:
    """Return a line for each level that was missed or given up for another reason than its objectives."""
    return [f"{_load(find, step)}: {printable(step['reason'])}" for step in find["path"] if step["reason"]]


def capacity_line(find: Mapping[str, Any]) -> str:
    """Return the result in one line."""
    found = capacity_text(find)
    if find["reason"]:
        found += f"; {printable(find['reason'])}"
    elif find["capacity"] is None and find["decided"]:
        found += "; the objectives are missed even at the lowest load"
    bracket = f"met at {shown(find['low'])}, missed at {shown(find['high'])}"
    decided = "" if find["decided"] else ", not decided within 10 %"
    return f"Capacity: {found} ({bracket}{decided}; {find['requests']:,} requests)"


def capacity_text(find: Mapping[str, Any]) -> str:
    """Return the capacity with its unit, or its lower bound, or that it is unknown or none."""
    if find["capacity"] is not None:
        return f"{shown(find['capacity'])} {find['unit']}"
    if find["low"] is not None and find["high"] is None:
        return f"at least {shown(find['low'])} {find['unit']}"
    return "none" if find["decided"] else "unknown"


def step_line(find: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    """Return a level of the search in one line."""
    attained = ", ".join(f"{name} {_attained(found)}" for name, found in step["attained"].items())
    return f"{_load(find, step)}: {step['verdict']} after {step['requests']} requests: {attained}"


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


def _load(find: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    return f"{find['kind']} {shown(step['load'])}" + (f" {find['unit']}" if find["kind"] == "rate" else "")


def _attained(found: Mapping[str, Any]) -> str:
    return f"{shown(found['value'])} ({shown(found['low'])} to {shown(found['high'])}) {found['verdict']}"
