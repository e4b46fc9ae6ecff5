"""/compare: two to five LLMs side by side, with a chart for each metric."""

from functools import partial
from typing import Any

from flask import Response, render_template, request
from werkzeug.exceptions import UnprocessableEntity

from webapp.page import charts
from webapp.page.llm import MOST_BUCKETS, PeriodFilters, step_of
from webapp.page.opening import with_series
from webapp.page.views import metrics_of, query_arguments, respond_cached, scenarios_of
from webapp.queries import LONGEST_NAME, SOURCES, llm_id, scenario_id
from webapp.store import Connection, history, leaderboard, llms
from webapp.windows import CHARTED, WINDOWS_BY_NAME

LEAST, MOST = 2, 5


def show(live: bool) -> Response | str:
    """Return the comparison; with fewer than two LLMs, the form to add some."""
    # Sorted, so that each order of the same names leads to the same cached response.
    names = sorted(set(request.args.getlist("llm")))
    if len(names) > MOST:
        raise UnprocessableEntity(f"llm: {len(names)} names; expected at most {MOST}")
    if any(not 0 < len(name) <= LONGEST_NAME or "\0" in name for name in names):
        raise UnprocessableEntity(f"llm: invalid name; expected 1 to {LONGEST_NAME} characters")
    query = {**query_arguments(PeriodFilters, but=("llm",)), "llms": tuple(names)}
    return respond_cached("compare", query, partial(_comparison, query), "Compare", live, if_empty=str)


def _comparison(query: dict[str, Any], conn: Connection) -> str:
    ids = {name: llm_id(conn, name) for name in query["llms"]}
    query = with_series(conn, query, query["llms"])
    scenario = scenario_id(conn, query["scenario"], query["source"])
    metrics = metrics_of(conn, query)
    found = leaderboard.read(
        conn,
        metric_names=[metric.name for metric in metrics],
        window=query["window"],
        source=query["source"],
        scenario_id=scenario,
    )
    rows = {(row.metric_name, row.llm_name): row for row in found}
    window = WINDOWS_BY_NAME[query["window"]]
    step = step_of(conn, query, scenario)
    parts = []
    for metric in metrics if len(ids) >= LEAST else ():
        series = {
            name: history.read(
                conn,
                metric_name=metric.name,
                step=step,
                reach=window.reach,
                source=query["source"],
                scenario_id=scenario,
                llm_id=llm,
                limit=MOST_BUCKETS,
            )
            for name, llm in ids.items()
        }
        chart = {"kind": "lines", "step": step}
        parts.append(
            {
                "metric": metric,
                "rows": [(name, rows.get((metric.name, name))) for name in ids],
                "chart": any(series.values()) and {**chart, **charts.over_time(series, ("p50",), step)},
            }
        )
    return render_template(
        "page/compare.html",
        query=query,
        parts=parts,
        others=[llm.name for llm in llms.read_all(conn, archived=False) if llm.name not in ids],
        most=MOST,
        windows=CHARTED,
        sources=SOURCES,
        scenarios=scenarios_of(conn, query["source"], query["scenario"]),
        step=step,
    )
