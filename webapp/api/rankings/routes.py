"""GET /api/v1/benchmarks/rankings and /rankings/{metric_name}, whose shape never changes."""

import json
from functools import partial

from flask import Response

from webapp.api.arguments import metric_in_path
from webapp.api.common import document_read, keyed_blueprint, refuse_arguments
from webapp.api.rankings.schemas import CONTRACT, RankingsSchema
from webapp.cache import answers
from webapp.queries import known_metric
from webapp.store import Connection, rankings

blueprint = keyed_blueprint(
    "rankings", __name__, url_prefix="/api/v1/benchmarks/rankings", description="LLMs ranked by mean"
)
blueprint.before_request(refuse_arguments)

EXAMPLE = {
    "ttft": [
        {"llm_name": "GPT-4o", "mean_value": 1.07},
        {"llm_name": "Claude 3.5 Sonnet", "mean_value": 1.05},
    ]
}


@blueprint.get("")
@document_read(blueprint, RankingsSchema, example={"data": [EXAMPLE, {"tps": []}]})
def list_rankings() -> Response:
    """List the rankings of all metrics.

    Orders the LLMs of each metric by the mean of their latest finished run, in descending order.
    """
    return answers().respond("rankings", _all_rankings)


@blueprint.route("/<metric_name>", methods=["GET"], parameters=[metric_in_path(CONTRACT)])
@document_read(blueprint, RankingsSchema, example={"data": [EXAMPLE]}, errors={404: "Unknown metric"})
def get_ranking(metric_name: str) -> Response:
    """Get the ranking of a metric.

    Orders the LLMs by the mean of their latest finished run, in descending order.
    """
    metric = known_metric(metric_name, CONTRACT)
    return answers().respond(f"rankings/{metric.name}", partial(_rankings, [metric.name]))


def _rankings(names: list[str], conn: Connection) -> bytes:
    ranked = rankings.read(conn, names)
    data = [
        {name: [{"llm_name": llm, "mean_value": round(mean, 2)} for llm, mean in ranked[name]]}
        for name in names
    ]
    return json.dumps({"data": data}).encode()


_all_rankings = partial(_rankings, list(CONTRACT))
