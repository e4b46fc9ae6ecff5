"""/ : one metric's leaderboard, best first."""

from functools import partial
from typing import Any

from flask import Response, current_app, render_template

from llm_measure.metrics import METRICS
from webapp.cache import snapshot
from webapp.page import first_run
from webapp.page.marks import Scale, sparkline
from webapp.page.views import answer_cached, asked, metrics_of, scenarios_of
from webapp.queries import ORDERS, SOURCES, LeaderboardQuery, metric_filter, one_of, ranked, scenario_id
from webapp.store import Connection, leaderboard, run_records, trends
from webapp.windows import WINDOWS, WINDOWS_BY_NAME

# So many stand in the first view; the rest is fetched when someone scrolls to it.
FIRST_ROWS = 25
# An LLM that was due so many times, and has no new value, is stale.
STALE_SLOTS = 3


class Query(LeaderboardQuery):
    """The query string."""

    metric = metric_filter("ttft", "The metric")
    rows = one_of(("first", "all"), "first", "The best ones, or all")


def show(live: bool) -> Response | str:
    """The leaderboard, or what is going on while there is nothing to rank yet."""
    query = asked(Query)

    def nothing() -> str:
        with snapshot() as conn:
            return _nothing(query, conn)

    return answer_cached(
        "leaderboard", query, partial(_board, query), METRICS[query["metric"]].title, live, if_empty=nothing
    )


def _board(query: dict[str, Any], conn: Connection) -> str:
    """The view; empty if there is nothing to rank."""
    metric = METRICS[query["metric"]]
    series = {"source": query["source"], "scenario_id": scenario_id(conn, query["scenario"])}
    found = leaderboard.read(conn, metric_names=[metric.name], window=query["window"], **series)
    if not found:
        return ""
    rows = ranked(metric, found, query["order"])
    shown = rows if query["rows"] == "all" else rows[:FIRST_ROWS]
    trend = WINDOWS_BY_NAME[query["window"]].trend
    lines = trends.read(
        conn,
        metric_name=metric.name,
        step=trend.step,
        reach=trend.reach,
        llm_names=[row["llm_name"] for row in shown],
        **series,
    )
    failures = {failure.llm_name: failure for failure in run_records.last_failures(conn, **series)}
    ranked_names = {row["llm_name"] for row in rows}
    return render_template(
        "page/leaderboard.html",
        **_choices(query, conn),
        metric=metric,
        rows=shown,
        total=len(rows),
        failures=failures,
        unranked=[failure for name, failure in failures.items() if name not in ranked_names],
        scale=Scale.over(row[end] for row in rows for end in ("mean", "ci_low", "ci_high")),
        lines={
            name: sparkline([(at.timestamp(), mean) for at, mean in line]) for name, line in lines.items()
        },
        trend_words=trend.words,
        stale_seconds=_stale_seconds(query),
    )


def _stale_seconds(query: dict[str, Any]) -> int | None:
    """After how long without anything new a row is stale; None if nothing new is due."""
    if query["source"] == "simulation":
        intervals = [current_app.extensions["settings"].schedule_interval]
    else:
        declared = current_app.extensions["measurements"]
        intervals = [each.interval for each in declared if each.scenario == query["scenario"]]
    return STALE_SLOTS * max(intervals) if intervals else None


def _nothing(query: dict[str, Any], conn: Connection) -> str:
    """The view while there is nothing to rank."""
    return render_template(
        "page/nothing.html",
        **_choices(query, conn),
        metric=METRICS[query["metric"]],
        state=first_run.state(conn, query["source"]),
    )


def _choices(query: dict[str, Any], conn: Connection) -> dict[str, Any]:
    """What all of the page's selectors offer."""
    return {
        "query": query,
        "metrics": metrics_of(query["source"]),
        "windows": [window.name for window in WINDOWS],
        "sources": SOURCES,
        "scenarios": scenarios_of(conn, query["source"], query["scenario"]),
        "orders": ORDERS,
    }
