"""/load-curves: latency against throughput at each level of a workload, a line per LLM."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from flask import Response, render_template
from marshmallow import Schema

from llm_measure.metrics import METRICS
from webapp.curves import curve, levels
from webapp.curves.axes import MetricAxis, metric_axis
from webapp.curves.curve import Curve, Point
from webapp.page.curve_chart import chart
from webapp.page.views import query_arguments, respond_cached
from webapp.queries import SOURCES, metrics_in, name_filter, one_of, region_filter
from webapp.store import Connection
from webapp.windows import LATEST, WINDOWS

# Metrics of the y axis; the last one is the throughput of a user, against that of all.
TABS = ("ttft", "itl", "e2e_latency", "tps")
PER_USER = "tps"
TITLES = {PER_USER: "Per user and in total"}
THROUGHPUTS = ("output_throughput", "inputs_throughput")
STATISTICS = ("p50", "p95", "p99")
ORDERS = {"llm": "By LLM", "level": "By level", "value": "Best first"}
LOADS = {
    "concurrency": "Concurrency",
    "rate": "Request rate",
    "rate-constant": "Constant rate",
    "speed": "Speed of a trace",
}


class Query(Schema):
    """The query string of /load-curves."""

    workload = name_filter("Workload; the one with most levels by default", "chat")
    y = one_of(TABS, None, "Metric of the y axis; the first that the workload has by default")
    statistic = one_of(STATISTICS, "p95", "Percentile of a latency")
    kind = one_of(levels.KINDS, None, "Kind of load; the one with most levels by default")
    api = name_filter("Provider API", "chat")
    region = region_filter("Region; none or else the first that the workload has by default")
    source = one_of(SOURCES, "measurement", "Source of the values; the simulation has no levels")
    window = one_of(tuple(window.name for window in WINDOWS), LATEST.name, "How far back")
    order = one_of(tuple(ORDERS), "llm", "Order of the table")


class Row(NamedTuple):
    """A row of the table: a level, with the number of its line from 0."""

    llm_name: str
    line: int
    point: Point


def show(live: bool) -> Response | str:
    """Return the load curves; without any, what makes some."""
    query = query_arguments(Query)
    return respond_cached("load-curves", query, partial(_view, query), "Load curves", live, if_empty=str)


def _view(query: dict[str, Any], conn: Connection) -> str:
    chosen = levels.choose(conn, query)
    if chosen.workload is None:
        return render_template("page/no_load_curves.html")
    kind = query["kind"] or chosen.kinds[0]
    measured = [each for each in chosen.levels if each.kind == kind]
    metrics = [metric.name for metric in metrics_in(conn, measured[0].scenario)]
    tabs = [name for name in TABS if name in metrics]
    x = metric_axis(next(name for name in THROUGHPUTS if name in metrics))
    y = _axis(query["y"] if query["y"] in tabs else tabs[0], query["statistic"])
    found = curve.read(conn, measured, x, y, window=query["window"], source=query["source"])
    slo = next((point.slo for each in found for point in each.levels if point.slo is not None), None)
    return render_template(
        "page/load_curves.html",
        query={**query, "workload": chosen.workload, "y": y.metric.name, "api": chosen.api, "kind": kind}
        | {"region": chosen.region},
        chosen=chosen,
        tabs={name: TITLES.get(name, METRICS[name].title) for name in tabs},
        x=x,
        y=y,
        is_per_user=y.metric.name == PER_USER,
        load=LOADS[kind],
        loads=LOADS,
        statistics=STATISTICS,
        windows=[window.name for window in WINDOWS],
        orders=ORDERS,
        slo=slo,
        chart=chart(found, slo) if found else None,
        rows=_rows(found, query["order"], y),
    )


def _axis(metric_name: str, statistic: str) -> MetricAxis:
    return metric_axis(metric_name if metric_name == PER_USER else f"{metric_name}_{statistic}")


def _rows(found: Sequence[Curve], order: str, y: MetricAxis) -> list[Row]:
    rows = [Row(each.llm_name, number, point) for number, each in enumerate(found) for point in each.levels]
    sign = 1 if y.metric.better == "lower" else -1
    if order == "level":
        rows.sort(key=lambda row: row.point.level)
    elif order == "value":
        rows.sort(key=lambda row: sign * row.point.y)
    return rows
