"""GET /api/v1/benchmarks/leaderboard."""

from functools import partial
from typing import Any

from flask import Response

from webapp.api.common import cached_answer, keyed_blueprint
from webapp.api.filters import answer_name, filters, workload_id
from webapp.api.leaderboard.schemas import LeaderboardQuery, LeaderboardSchema
from webapp.cache import answers
from webapp.metrics import METRICS, METRICS_BY_NAME, Metric
from webapp.ranking import rank_intervals
from webapp.store import Connection, leaderboard, views
from webapp.store.leaderboard import Row

blueprint = keyed_blueprint(
    "leaderboard",
    __name__,
    url_prefix="/api/v1/benchmarks/leaderboard",
    description="Rankings with intervals, quantiles and shared ranks",
)


@blueprint.get("")
@filters(blueprint, LeaderboardQuery)
@cached_answer(blueprint, LeaderboardSchema)
def get_leaderboard(query: dict[str, Any]) -> Response:
    """The leaderboard.

    Best first by the metric's direction. LLMs whose means cannot be told apart share a rank.
    """
    return answers().respond(answer_name("leaderboard", query), partial(_leaderboard, query))


def _leaderboard(query: dict[str, Any], conn: Connection) -> bytes:
    asked = [METRICS_BY_NAME[query["metric"]]] if query["metric"] else list(METRICS)
    rows = leaderboard.read(
        conn,
        metric_names=[metric.name for metric in asked],
        window=query["window"],
        source=query["source"],
        workload_id=workload_id(conn, query["workload"]),
    )
    parts = {
        "generation": views.generation(conn),
        **{name: query[name] for name in ("window", "source", "workload", "order")},
        "metrics": [
            {
                "metric": metric.name,
                **{name: getattr(metric, name) for name in ("unit", "formula", "better")},
                "llms": ranked(
                    metric, [row for row in rows if row.metric_name == metric.name], query["order"]
                ),
            }
            for metric in asked
        ],
    }
    return LeaderboardSchema().dumps(parts).encode()


def ranked(metric: Metric, rows: list[Row], order: str) -> list[dict[str, Any]]:
    """The rows of one metric, ranked and in the asked order; equal ones by name."""
    rows = sorted(rows, key=lambda row: row.llm_name)
    if order != "name":
        descending = (metric.better == "higher") == (order == "best")
        rows.sort(key=lambda row: row.mean, reverse=descending)
    intervals = [
        None if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high) for row in rows
    ]
    ranks = rank_intervals(intervals, metric.better)
    return [
        {"rank": rank.low, "rank_worst": rank.high, **vars(row)}
        for rank, row in zip(ranks, rows, strict=True)
    ]
