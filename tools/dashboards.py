"""Grafana's dashboards as data: their panels, and their queries as Grafana would send them.

What Grafana does to a query is done here for the little that our dashboards use: variables, with and without
the format `sqlstring`, $__timeFilter, and Infinity's root selector and columns.
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
    """What the reader has chosen in the upper right corner."""

    since: datetime
    until: datetime


def read(name: str) -> dict[str, Any]:
    """The dashboard in public/<name>.json."""
    return json.loads((PUBLIC / f"{name}.json").read_text())


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something; rows are only headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(panel, query) for all queries."""
    return [(panel, target) for panel in panels(dashboard) for target in panel["targets"]]


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def chosen(dashboard: dict[str, Any], options: Callable[[str], list[str]]) -> dict[str, str | list[str]]:
    """What each variable has at first; `options` runs the query of one that stands for all of its values."""
    values: dict[str, str | list[str]] = {}
    for name, variable in variables(dashboard).items():
        value = variable["current"]["value"]
        values[name] = options(variable["query"]) if value == [ALL] else value
    return values


def text(template: str, values: Values) -> str:
    """A title with its variables filled in."""
    return VARIABLE.sub(lambda match: _plain(values[match[1]]), template)


def sql(target: dict[str, Any], values: Values, time: TimeRange) -> str:
    """The query as PostgreSQL gets it."""

    def fill_in(match: re.Match[str]) -> str:
        value = values[match[1]]
        return _sqlstring(value) if match[2] == "sqlstring" else _plain(value)

    def fill_in_time(match: re.Match[str]) -> str:
        return f"{match[1]} BETWEEN '{time.since.isoformat()}' AND '{time.until.isoformat()}'"

    return TIME_FILTER.sub(fill_in_time, VARIABLE.sub(fill_in, target["rawSql"]))


def select(target: dict[str, Any], answer: Any) -> Rows:
    """The rows that Infinity makes of an answer in JSON."""
    for step in target["root_selector"].split("."):
        answer = answer[int(step)] if step.isdigit() else answer[step]
    return [{column["text"]: item[column["selector"]] for column in target["columns"]} for item in answer]


def sort(panel: dict[str, Any], rows: Rows) -> Rows:
    """The rows in the order of the panel's own sortBy transformation."""
    for transformation in panel.get("transformations", ()):
        for by in transformation["options"].get("sort", ()):
            rows = sorted(rows, key=lambda row: row[by["field"]], reverse=by["desc"])
    return rows


def files() -> list[Path]:
    """All dashboards."""
    return sorted(PUBLIC.glob("*_Dashboard.json"))


def _plain(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " + ".join(value)


def _sqlstring(value: str | list[str]) -> str:
    several = [value] if isinstance(value, str) else value
    return ",".join("'" + one.replace("'", "''") + "'" for one in several)
