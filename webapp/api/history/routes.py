"""GET /api/v1/benchmarks/history/{metric_name}."""

from functools import partial
from itertools import groupby
from typing import Any

from flask import Response
from werkzeug.exceptions import UnprocessableEntity

from llm_measure.metrics import METRICS, Metric
from webapp.api.arguments import filters, metric_in_path
from webapp.api.common import document_read, keyed_blueprint
from webapp.api.history.schemas import HistoryQuery, HistorySchema
from webapp.cache import answers
from webapp.queries import answer_name, known_metric, llm_id, scenario_id
from webapp.store import Connection, catalogue, history, views
from webapp.windows import BY_RUN, RUN, WINDOWS_BY_NAME

blueprint = keyed_blueprint(
    "history",
    __name__,
    url_prefix="/api/v1/benchmarks/history",
    description="Values over time, by run, hour or day",
)

MOST_BUCKETS = 10_000


@blueprint.route("/<metric_name>", methods=["GET"], parameters=[metric_in_path(METRICS.names)])
@filters(blueprint, HistoryQuery)
@document_read(blueprint, HistorySchema, errors={404: "Unknown metric"})
def get_history(query: dict[str, Any], metric_name: str) -> Response:
    """Get a metric over time.

    Returns a series of buckets for each LLM. More than 10,000 buckets in total are refused with 422.
    """
    metric = known_metric(metric_name, METRICS.names)
    if query["step"] == RUN and query["window"] not in BY_RUN:
        raise UnprocessableEntity(
            f"window={query['window']!r}: too long for step='run'; expected one of {', '.join(BY_RUN)}"
        )
    name = answer_name(f"history/{metric.name}", query)
    return answers().respond(name, partial(_history, metric, query))


def _history(metric: Metric, query: dict[str, Any], conn: Connection) -> bytes:
    buckets = history.read(
        conn,
        metric_name=metric.name,
        step=query["step"],
        reach=WINDOWS_BY_NAME[query["window"]].reach,
        source=query["source"],
        scenario_id=scenario_id(conn, query["scenario"], query["source"]),
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        limit=MOST_BUCKETS + 1,
    )
    if len(buckets) > MOST_BUCKETS:
        raise UnprocessableEntity(
            f"window={query['window']!r}, step={query['step']!r}: more than {MOST_BUCKETS} buckets;"
            " name one llm, or take a shorter window or a longer step"
        )
    series = [
        {"llm_name": name, "buckets": [vars(bucket) for bucket in group]}
        for name, group in groupby(buckets, key=lambda bucket: bucket.llm_name)
    ]
    parts = {
        "generation": views.generation(conn),
        "metric": metric.name,
        "unit": metric.unit.symbol,
        **{name: query[name] for name in ("window", "step", "source", "scenario")},
        "scenarios": catalogue.scenario_names(conn, query["source"]),
        "series": series,
    }
    return HistorySchema().dumps(parts).encode()
