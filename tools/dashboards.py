"""The Grafana dashboards in public/: their panels, and their queries as Grafana sends them.

This implements the part of Grafana that the dashboards use: variables, plain and in the format `sqlstring`;
`$__timeFilter`, `$__timeFrom` and `$__timeTo`; the root selector and columns of the Infinity data source; the
transformation `sortBy`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from webapp.settings import ROOT

PUBLIC = ROOT / "public"
VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
TIME_FILTER = re.compile(r"\$__timeFilter\(([\w.]+)\)")
TIME_FROM, TIME_TO = "$__timeFrom()", "$__timeTo()"
ALL = "$__all"

Values = Mapping[str, str | list[str]]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class TimeRange:
    """The dashboard's time range, as chosen in its upper right corner."""

    since: datetime
    until: datetime


def read(name: str) -> dict[str, Any]:
    """Return the dashboard in public/<name>.json."""
    return json.loads((PUBLIC / f"{name}.json").read_text())


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show data; panels of type `row` are headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return a (panel, query) pair for each query."""
    return [(panel, target) for panel in panels(dashboard) for target in panel["targets"]]


def annotations(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the annotations that a query of ours finds, by name; each has it as its `target`."""
    return {each["name"]: each for each in dashboard["annotations"]["list"] if "target" in each}


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the dashboard's variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def chosen(dashboard: dict[str, Any], options: Callable[[str], list[str]]) -> dict[str, str | list[str]]:
    """Return the initial value of each variable.

    `options` runs a variable's query; it is called for the variables that are initially "All".
    """
    values: dict[str, str | list[str]] = {}
    for name, variable in variables(dashboard).items():
        value = variable["current"]["value"]
        values[name] = options(variable["query"]) if value == [ALL] else value
    return values


def sql(query: str, values: Values, time: TimeRange) -> str:
    """Return the query of a panel or a variable as PostgreSQL receives it."""
    since, until = f"'{time.since.isoformat()}'", f"'{time.until.isoformat()}'"

    def fill_in(match: re.Match[str]) -> str:
        value = values[match[1]]
        return _sqlstring(value) if match[2] == "sqlstring" else _plain(value)

    def fill_in_time(match: re.Match[str]) -> str:
        return f"{match[1]} BETWEEN {since} AND {until}"

    filled = TIME_FILTER.sub(fill_in_time, VARIABLE.sub(fill_in, query))
    return filled.replace(TIME_FROM, since).replace(TIME_TO, until)


def select(target: dict[str, Any], response: Any) -> Rows:
    """Return the rows that Infinity extracts from a JSON response."""
    for step in target["root_selector"].split("."):
        response = response[int(step)] if step.isdigit() else response[step]
    return [{column["text"]: item[column["selector"]] for column in target["columns"]} for item in response]


def sort(panel: dict[str, Any], rows: Rows) -> Rows:
    """Return the rows in the order of the panel's `sortBy` transformations."""
    for transformation in panel.get("transformations", ()):
        for by in transformation["options"].get("sort", ()):
            rows = sorted(rows, key=lambda row: row[by["field"]], reverse=by["desc"])
    return rows


def files() -> list[Path]:
    """Return the paths of all dashboards, by name."""
    return sorted(PUBLIC.glob("*_Dashboard.json"))


def _plain(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " + ".join(value)


def _sqlstring(value: str | list[str]) -> str:
    several = [value] if isinstance(value, str) else value
    return ",".join("'" + one.replace("'", "''") + "'" for one in several)
