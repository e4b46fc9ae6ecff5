"""GET /api/v1/benchmarks/load-curves."""

from functools import partial
from typing import Any

from flask import Response

from webapp.api.arguments import filters
from webapp.api.common import document_read, keyed_blueprint
from webapp.api.load_curves.schemas import LoadCurvesQuery, LoadCurvesSchema
from webapp.cache import answers
from webapp.curves import curve, levels
from webapp.curves.axes import Axis, MetricAxis, axis, metric_axis
from webapp.queries import answer_name, llm_id
from webapp.store import Connection, views

blueprint = keyed_blueprint(
    "load-curves",
    __name__,
    url_prefix="/api/v1/benchmarks/load-curves",
    description="Latency against throughput at each level of a workload",
)


@blueprint.get("")
@filters(blueprint, LoadCurvesQuery)
@document_read(blueprint, LoadCurvesSchema)
def get_load_curves(query: dict[str, Any]) -> Response:
    """Get the load curves of a workload.

    Returns a curve for each LLM and kind of load, with its levels in ascending order. Searches for a capacity
    are not levels.
    """
    return answers().respond(answer_name("load-curves", query), partial(_load_curves, query))


def _load_curves(query: dict[str, Any], conn: Connection) -> bytes:
    if query["llm"]:
        llm_id(conn, query["llm"])
    chosen = levels.choose(conn, query)
    x, y = axis(query["x"]), metric_axis(query["y"])
    found = curve.read(conn, chosen.levels, x, y, window=query["window"], source=query["source"])
    parts = {
        "generation": views.generation(conn),
        **{name: query[name] for name in ("source", "window")},
        "workload": chosen.workload,
        "api": chosen.api,
        "region": chosen.region,
        "x": _described(x),
        "y": _described(y),
        "curves": [each for each in found if query["llm"] in (None, each.llm_name)],
        "workloads": chosen.workloads,
        "apis": chosen.apis,
        "regions": [name for name in chosen.regions if name],
    }
    return LoadCurvesSchema().dumps(parts).encode()


def _described(axis: Axis) -> dict[str, Any]:
    described = {"name": axis.name, "unit": axis.unit, "metric": None, "statistic": None, "better": None}
    if isinstance(axis, MetricAxis):
        metric = axis.metric
        described |= {"metric": metric.name, "statistic": axis.statistic, "better": metric.better}
    return described
