"""/llm: one LLM's metrics over time, the distributions of their values, and its runs."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, render_template
from werkzeug.exceptions import NotFound

from llm_measure.metrics import Metric
from llm_measure.stats.histogram import Histogram
from webapp.cache import answers, snapshot
from webapp.errors import shown
from webapp.page import annotations, availability, charts
from webapp.page.opening import OpenSeries, with_series
from webapp.page.views import at_present, cache_name, metrics_of, query_arguments, respond_fresh, scenarios_of
from webapp.queries import SOURCES, name_filter, one_of, quantile_intervals, ranked, scenario_id
from webapp.store import Connection, catalogue, distribution, history, leaderboard, llms, run_records
from webapp.store.llms import LLM
from webapp.windows import CHARTED, DAY, WINDOWS_BY_NAME

MOST_BUCKETS = 10_000
RUNS = 10


class PeriodFilters(OpenSeries):
    """Which values, and how far back."""

    window = one_of(CHARTED, "24h", "How far back")


class Query(PeriodFilters):
    """The query string of /llm."""

    name = name_filter("The LLM", "GPT-4o")


def show(live: bool) -> Response | str:
    """Return the LLM's page: metrics from the cache, and runs, which change between refreshes, uncached."""
    query = query_arguments(Query)
    if not query["name"]:
        raise NotFound("name: missing; expected an LLM, as in /llm?name=GPT-4o")
    _, body = answers().read(
        cache_name("llm", at_present(query)), lambda conn: _metrics(query, conn).encode()
    )
    with snapshot() as conn:
        runs = run_records.read(conn, limit=RUNS, llm_id=catalogue.llm_id(conn, query["name"]))
    html = body.decode() + render_template("page/llm_runs.html", runs=runs, name=query["name"])
    return respond_fresh(html, query["name"], live)


def _metrics(query: dict[str, Any], conn: Connection) -> str:
    llm = llms.named(conn, query["name"])
    if llm is None:
        raise NotFound(f"name={shown(query['name'])}: unknown LLM")
    query = with_series(conn, query, [llm.name])
    scenario = scenario_id(conn, query["scenario"], query["source"])
    metrics = metrics_of(conn, query)
    found = leaderboard.read(
        conn,
        metric_names=[metric.name for metric in metrics],
        window=query["window"],
        source=query["source"],
        scenario_id=scenario,
    )
    histograms = distribution.read(
        conn,
        window=query["window"],
        source=query["source"],
        scenario_id=scenario,
        metric_names=[metric.name for metric in metrics],
        llm_names=[llm.name],
    )
    step = step_of(conn, query, scenario)
    now, reach = datetime.now(UTC), WINDOWS_BY_NAME[query["window"]].reach
    marks = annotations.of_llm(
        conn,
        source=query["source"],
        scenario=(scenario, query["scenario"]),
        llm=(llm.id, llm.name),
        since=now - reach if reach else None,
    )
    parts = []
    for metric in metrics:
        rows = ranked(metric, [row for row in found if row.metric_name == metric.name], "best")
        row = next((row for row in rows if row["llm_name"] == llm.name), None)
        parts.append(
            {
                "metric": metric,
                "row": row,
                "total": len(rows),
                "over_time": _over_time(conn, query, metric, llm, scenario, step),
                "marks": annotations.on(metric.name, marks),
                "intervals": row and quantile_intervals(row, histograms[metric.name, llm.name]),
                "distribution": row and _distribution(row, histograms[metric.name, llm.name]),
            }
        )
    return render_template(
        "page/llm.html",
        llm=llm,
        query=query,
        parts=[part for part in parts if part["row"] or part["over_time"]],
        windows=CHARTED,
        sources=SOURCES,
        scenarios=scenarios_of(conn, query["source"], query["scenario"]),
        step=step,
        bars=availability.read(
            conn, source=query["source"], now=now, scenario_ids=[scenario], llm_id=llm.id
        ).get(llm.name),
    )


def step_of(conn: Connection, query: dict[str, Any], scenario: int) -> str:
    """Return the step of the window's charts."""
    window = WINDOWS_BY_NAME[query["window"]]
    return history.finest_step(
        conn,
        step=window.chart_step or DAY,
        reach=window.reach,
        source=query["source"],
        scenario_id=scenario,
        most_runs=charts.MOST_RUNS,
    )


def _over_time(  # noqa: PLR0913, PLR0917  (private; each is part of what is shown)
    conn: Connection, query: dict[str, Any], metric: Metric, llm: LLM, scenario: int, step: str
) -> Any:
    buckets = history.read(
        conn,
        metric_name=metric.name,
        step=step,
        reach=WINDOWS_BY_NAME[query["window"]].reach,
        source=query["source"],
        scenario_id=scenario,
        llm_id=llm.id,
        limit=MOST_BUCKETS,
    )
    return buckets and {
        "kind": "band",
        "step": step,
        **charts.over_time({llm.name: buckets}, ("p50", "p95"), step),
    }


def _distribution(row: dict[str, Any], histogram: Histogram) -> dict[str, Any]:
    return {"kind": "bars", **charts.distribution(histogram, row["min"], row["p99"], row["max"])}
