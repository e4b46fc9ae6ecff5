"""GET /api/v1/benchmarks/leaderboard."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Response

from llm_measure.metrics import METRICS, Metric
from llm_measure.stats.histogram import Histogram
from webapp.api.arguments import filters
from webapp.api.common import document_read, keyed_blueprint
from webapp.api.leaderboard.schemas import LeaderboardSchema
from webapp.cache import answers
from webapp.queries import (
    LeaderboardQuery,
    answer_name,
    metrics_in,
    quantile_intervals,
    ranked,
    scenario_id,
    stale_after,
)
from webapp.store import Connection, catalogue, distribution, leaderboard, run_records, views
from webapp.store.leaderboard import Row
from webapp.store.run_records import Failure, Finished

blueprint = keyed_blueprint(
    "leaderboard",
    __name__,
    url_prefix="/api/v1/benchmarks/leaderboard",
    description="Rankings with confidence intervals, quantiles and shared ranks",
)


@dataclass(frozen=True)
class Marks:
    """What is known of LLMs in addition to their figures, by name."""

    histograms: dict[tuple[str, str], Histogram]  # also by metric
    newest: dict[str, Finished]
    failures: dict[str, Failure]
    error_rates: dict[str, float]
    stale_after: timedelta | None

    def of(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the marks of a row.

        `stale_at` is a moment, since the response is cached until there are new values.
        """
        name = row["llm_name"]
        return {
            **quantile_intervals(row, self.histograms[row["metric_name"], name]),
            "error_rate": self.error_rates.get(name),
            "stale_at": self.stale_after and row["last_measured"] + self.stale_after,
            "failure": self.failures.get(name),
            "newest_run": self.newest.get(name),
        }


@blueprint.get("")
@filters(blueprint, LeaderboardQuery)
@document_read(blueprint, LeaderboardSchema)
def get_leaderboard(query: dict[str, Any]) -> Response:
    """Get the leaderboard.

    Lists the best LLM first, by the metric's direction. LLMs whose means the data cannot distinguish
    share a rank. An LLM whose newest run failed, was invalid or was missed has the reason as `failure`; it is
    in `unranked` if it has no values in the window. If there are no values, `scenarios` lists what the source
    has instead.
    """
    return answers().respond(answer_name("leaderboard", query), partial(_leaderboard, query))


def _leaderboard(query: dict[str, Any], conn: Connection) -> bytes:
    asked = [METRICS[query["metric"]]] if query["metric"] else metrics_in(conn, query["scenario"])
    source = query["source"]
    series = {"source": source, "scenario_id": scenario_id(conn, query["scenario"], source)}
    window = query["window"]
    found = leaderboard.read(conn, metric_names=[metric.name for metric in asked], window=window, **series)
    marks = Marks(
        histograms=distribution.read(
            conn,
            window=window,
            metric_names=[metric.name for metric in asked],
            llm_names=[row.llm_name for row in found],
            **series,
        ),
        newest=run_records.newest_finished(conn, **series),
        failures={failure.llm_name: failure for failure in run_records.last_failures(conn, **series)},
        error_rates=leaderboard.error_rates(conn, window=window, **series),
        stale_after=stale_after(source, query["scenario"]),
    )
    parts = {
        "generation": views.generation(conn),
        **{name: query[name] for name in ("window", "source", "scenario", "order")},
        "scenarios": catalogue.scenario_names(conn, source),
        "metrics": [
            _board(metric, [row for row in found if row.metric_name == metric.name], query["order"], marks)
            for metric in asked
        ],
    }
    return LeaderboardSchema().dumps(parts).encode()


def _board(metric: Metric, found: list[Row], order: str, marks: Marks) -> dict[str, Any]:
    """Return one metric's leaderboard."""
    names = {row.llm_name for row in found}
    return {
        "metric": metric.name,
        "unit": metric.unit.symbol,
        "formula": metric.formula,
        "better": metric.better,
        "llms": [{**row, **marks.of(row)} for row in ranked(metric, found, order)],
        "unranked": [failure for name, failure in marks.failures.items() if name not in names],
    }
