"""GET /api/v1/benchmarks/leaderboard."""

from functools import partial
from typing import Any

from flask import Response

from llm_measure.metrics import METRICS
from webapp.api.arguments import filters
from webapp.api.common import document_read, keyed_blueprint
from webapp.api.leaderboard.schemas import LeaderboardSchema
from webapp.cache import answers
from webapp.queries import LeaderboardQuery, answer_name, ranked, scenario_id
from webapp.store import Connection, leaderboard, views

blueprint = keyed_blueprint(
    "leaderboard",
    __name__,
    url_prefix="/api/v1/benchmarks/leaderboard",
    description="Rankings with confidence intervals, quantiles and shared ranks",
)


@blueprint.get("")
@filters(blueprint, LeaderboardQuery)
@document_read(blueprint, LeaderboardSchema)
def get_leaderboard(query: dict[str, Any]) -> Response:
    """Get the leaderboard.

    Lists the best LLM first, by the metric's direction. LLMs whose means the data cannot distinguish
    share a rank.
    """
    return answers().respond(answer_name("leaderboard", query), partial(_leaderboard, query))


def _leaderboard(query: dict[str, Any], conn: Connection) -> bytes:
    asked = [METRICS[query["metric"]]] if query["metric"] else list(METRICS)
    rows = leaderboard.read(
        conn,
        metric_names=[metric.name for metric in asked],
        window=query["window"],
        source=query["source"],
        scenario_id=scenario_id(conn, query["scenario"]),
    )
    parts = {
        "generation": views.generation(conn),
        **{name: query[name] for name in ("window", "source", "scenario", "order")},
        "metrics": [
            {
                "metric": metric.name,
                "unit": metric.unit.symbol,
                "formula": metric.formula,
                "better": metric.better,
                "llms": ranked(
                    metric, [row for row in rows if row.metric_name == metric.name], query["order"]
                ),
            }
            for metric in asked
        ],
    }
    return LeaderboardSchema().dumps(parts).encode()
