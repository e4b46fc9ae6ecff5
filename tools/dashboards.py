"""Read Grafana's dashboards: their panels, and their queries as Grafana would send them.

Implements the part of Grafana's templating that these dashboards use: variables, with and without the format
`sqlstring`, $__timeFilter, and Infinity's root selector and columns.
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
ALL = "$__all"

Values = Mapping[str, str | list[str]]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class TimeRange:
    """The time range selected at the top right of a dashboard."""

    since: datetime
    until: datetime


def read(name: str) -> dict[str, Any]:
    """Return the dashboard in public/<name>.json."""
    return json.loads((PUBLIC / f"{name}.json").read_text())


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels with data, without rows, which are headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (panel, query) for each query."""
    return [(panel, target) for panel in panels(dashboard) for target in panel["targets"]]


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def chosen(dashboard: dict[str, Any], options: Callable[[str], list[str]]) -> dict[str, str | list[str]]:
    """Return the default value of each variable; `options` runs the query of one whose default is "All"."""
    values: dict[str, str | list[str]] = {}
    for name, variable in variables(dashboard).items():
        value = variable["current"]["value"]
        values[name] = options(variable["query"]) if value == [ALL] else value
    return values


def text(template: str, values: Values) -> str:
    """Return a title with its variables filled in."""
    return VARIABLE.sub(lambda match: _plain(values[match[1]]), template)


def sql(target: dict[str, Any], values: Values, time: TimeRange) -> str:
    """Return the query as PostgreSQL receives it."""

    def fill_in(match: re.Match[str]) -> str:
        value = values[match[1]]
        return _sqlstring(value) if match[2] == "sqlstring" else _plain(value)

    def fill_in_time(match: re.Match[str]) -> str:
        return f"{match[1]} BETWEEN '{time.since.isoformat()}' AND '{time.until.isoformat()}'"

    return TIME_FILTER.sub(fill_in_time, VARIABLE.sub(fill_in, target["rawSql"]))


def select(target: dict[str, Any], response: Any) -> Rows:
    """Return the rows that Infinity extracts from a JSON response."""
    for step in target["root_selector"].split("."):
        response = response[int(step)] if step.isdigit() else response[step]
    return [{column["text"]: item[column["selector"]] for column in target["columns"]} for item in response]


def sort(panel: dict[str, Any], rows: Rows) -> Rows:
    """Return the rows as the panel's sortBy transformation orders them."""
    for transformation in panel.get("transformations", ()):
        for by in transformation["options"].get("sort", ()):
            rows = sorted(rows, key=lambda row: row[by["field"]], reverse=by["desc"])
    return rows


def files() -> list[Path]:
    """Return the paths of all dashboards."""
    return sorted(PUBLIC.glob("*_Dashboard.json"))


def _plain(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " + ".join(value)


def _sqlstring(value: str | list[str]) -> str:
    values = [value] if isinstance(value, str) else value
    return ",".join("'" + one.replace("'", "''") + "'" for one in values)
