"""/: the leaderboard of one metric, best first."""

from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response, render_template

from llm_measure.metrics import METRICS
from webapp.cache import snapshot
from webapp.page import first_run
from webapp.page.facts import warnings
from webapp.page.marks import Scale, sparkline
from webapp.page.opening import OpenSeries, with_series
from webapp.page.views import metrics_of, query_arguments, respond_cached, scenarios_of
from webapp.queries import (
    ORDERS,
    SOURCES,
    LeaderboardFilters,
    metric_filter,
    metrics_in,
    one_of,
    quantile_intervals,
    ranked,
    scenario_id,
    stale_after,
)
from webapp.store import (
    Connection,
    catalogue,
    distribution,
    history,
    incidents,
    leaderboard,
    run_records,
    trends,
)
from webapp.store.incidents import Incident
from webapp.windows import WINDOWS, WINDOWS_BY_NAME

# Number of rows in the first response; the others are fetched on scrolling to them.
FIRST_ROWS = 25
# Of more runs, a trend shows hours: its picture is 96 pixels wide.
MOST_RUNS_OF_A_TREND = 288


class Query(OpenSeries, LeaderboardFilters):
    """The query string of /."""

    metric = metric_filter("ttft", "The metric")
    rows = one_of(("first", "all"), "first", "The first rows, or all")


def show(live: bool) -> Response | str:
    """Return the leaderboard; without anything to rank, the reason."""
    query = query_arguments(Query)

    def empty() -> str:
        with snapshot() as conn:
            return _empty(query, conn)

    return respond_cached("leaderboard", query, partial(_board, query), None, live, if_empty=empty)


def _board(query: dict[str, Any], conn: Connection) -> str:
    """Return the view; empty text if there is nothing to rank."""
    asked, query = query, _with_metric(conn, with_series(conn, query))
    metric = METRICS[query["metric"]]
    series = {
        "source": query["source"],
        "scenario_id": scenario_id(conn, query["scenario"], query["source"]),
    }
    found = leaderboard.read(conn, metric_names=[metric.name], window=query["window"], **series)
    if not found:
        return ""
    rows = ranked(metric, found, query["order"])
    shown = rows if query["rows"] == "all" else rows[:FIRST_ROWS]
    names = [row["llm_name"] for row in shown]
    histograms = distribution.read(
        conn, window=query["window"], metric_names=[metric.name], llm_names=names, **series
    )
    trend = WINDOWS_BY_NAME[query["window"]].trend
    step = history.finest_step(
        conn, step=trend.step, reach=trend.reach, most_runs=MOST_RUNS_OF_A_TREND, **series
    )
    lines = trends.read(
        conn,
        metric_name=metric.name,
        step=step,
        reach=trend.reach,
        llm_names=names,
        **series,
    )
    newest = run_records.newest_finished(conn, **series)
    failures = {failure.llm_name: failure for failure in run_records.last_failures(conn, **series)}
    ranked_names = {row["llm_name"] for row in rows}
    return render_template(
        "page/leaderboard.html",
        **_filters(query, conn),
        metric=metric,
        tried=catalogue.scenario_names(conn, "measurement") if asked["source"] is None else (),
        rows=[{**row, **quantile_intervals(row, histograms[metric.name, row["llm_name"]])} for row in shown],
        error_rates=leaderboard.error_rates(conn, window=query["window"], **series),
        total=len(rows),
        newest=newest,
        warnings={name: warnings(run.measurement or {}) for name, run in newest.items()},
        failures=failures,
        ongoing=_ongoing(conn, query["source"]),
        unranked=[failure for name, failure in failures.items() if name not in ranked_names],
        scale=Scale.over(row[end] for row in rows for end in ("mean", "ci_low", "ci_high")),
        lines={
            name: sparkline([(at.timestamp(), mean) for at, mean in line]) for name, line in lines.items()
        },
        trend=replace(trend, step=step),
        stale_after=stale_after(query["source"], query["scenario"]),
    )


def _ongoing(conn: Connection, source: str) -> dict[str, Incident]:
    """Return an open incident of the source by the name of each LLM that it still affects, the newest one."""
    found = reversed(incidents.read(conn, status="open", source=source))
    return {name: incident for incident in found for name in incident.active_names}


def _with_metric(conn: Connection, query: dict[str, Any]) -> dict[str, Any]:
    """Return the query with a metric that the measured scenario has: its first one for one that it lacks."""
    names = [metric.name for metric in metrics_in(conn, query["scenario"])]
    is_lacking = query["source"] == "measurement" and query["metric"] not in names
    return {**query, "metric": names[0]} if is_lacking else query


def _empty(query: dict[str, Any], conn: Connection) -> str:
    query = _with_metric(conn, with_series(conn, query))
    return render_template(
        "page/empty.html",
        **_filters(query, conn),
        metric=METRICS[query["metric"]],
        state=first_run.state(conn, query["source"]),
        trend=WINDOWS_BY_NAME[query["window"]].trend,
    )


def _filters(query: dict[str, Any], conn: Connection) -> dict[str, Any]:
    """Return the template's values for the filters above the leaderboard."""
    return {
        "query": query,
        "metrics": metrics_of(conn, query),
        "windows": [window.name for window in WINDOWS],
        "sources": SOURCES,
        "scenarios": scenarios_of(conn, query["source"], query["scenario"]),
        "orders": ORDERS,
    }
