"""GET /api/v1/benchmarks/recommendation."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Response, current_app
from werkzeug.exceptions import NotFound

from llm_measure.metrics import METRICS
from webapp.api.arguments import filters
from webapp.api.common import document_read, json_response, keyed_blueprint
from webapp.api.recommendation import candidates
from webapp.api.recommendation.candidates import Candidate
from webapp.api.recommendation.choice import Limits, best_first, reason, tied_with_best
from webapp.api.recommendation.schemas import RecommendationQuery, RecommendationSchema
from webapp.cache import answers
from webapp.errors import shown
from webapp.queries import LISTED_CHARACTERS, answer_name, stale_after
from webapp.store import Connection

blueprint = keyed_blueprint(
    "recommendation",
    __name__,
    url_prefix="/api/v1/benchmarks/recommendation",
    description="The LLM to use now, for routers",
)


@blueprint.get("")
@filters(blueprint, RecommendationQuery)
@document_read(blueprint, RecommendationSchema, errors={404: "No LLM to recommend"})
def get_recommendation(query: dict[str, Any]) -> Response:
    """Get the LLM to use now, with the reason.

    It is the best one by the mean or p95 of the objective. Excluded are LLMs that are down, stale or
    archived, that fail too many requests, or that have no values in the window.
    """
    max_error_rate = query.pop("max_error_rate")
    number, body = answers().read(answer_name("recommendation", query), partial(_known, query))
    known = json.loads(body)
    # Judged here, since a cached response outlives the moment from which values are stale.
    limits = Limits(datetime.now(UTC), stale_after(known["source"], known["scenario"]), max_error_rate)
    usable, excluded = _divided(known, limits)
    if not usable:
        raise NotFound(_nothing(known, excluded))
    parts = {
        "generation": number,
        **query,
        "source": known["source"],
        "scenario": known["scenario"],
        **_chosen(usable, query, known),
        "excluded": excluded,
    }
    return json_response(RecommendationSchema().dumps(parts).encode())


def _known(query: dict[str, Any], conn: Connection) -> bytes:
    return json.dumps(candidates.read(conn, query)).encode()


def _divided(known: dict[str, Any], limits: Limits) -> tuple[list[Candidate], list[dict[str, str]]]:
    """Return the usable candidates, and the excluded LLMs with the reason, by name."""
    everyone = [Candidate(**each) for each in known["candidates"]]
    reasons = {each.llm_name: limits.excludes(each) for each in everyone}
    reasons |= {name: f"no values; newest run {status}" for name, status in known["without_values"].items()}
    excluded = [{"llm_name": name, "reason": why} for name, why in sorted(reasons.items()) if why]
    return [each for each in everyone if not reasons[each.llm_name]], excluded


def _chosen(usable: list[Candidate], query: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    metric = METRICS[query["objective"]]
    ordered = best_first(usable, metric)
    tied = tied_with_best(ordered, metric)
    models = _models(known["source"], known["scenario"])
    best, *others = [
        {
            **vars(each),
            "model": models.get(each.llm_name),
            "last_measured": datetime.fromisoformat(each.last_measured),
        }
        for each in ordered
    ]
    return {
        **best,
        "unit": metric.unit.symbol,
        "reason": reason(ordered, tied, metric, query["statistic"], query["window"]),
        "tied_with": [each.llm_name for each in tied],
        "alternatives": others,
    }


def _models(source: str, scenario: str) -> dict[str, str]:
    """Return the model that each LLM of the benchmark file has at its endpoint; none of simulated ones."""
    planned = current_app.extensions["plan"].measurements() if source == "measurement" else ()
    return {each.llm: each.endpoint.model for each in planned if each.scenario == scenario}


def _nothing(known: dict[str, Any], excluded: list[dict[str, str]]) -> str:
    """Return why there is nothing to recommend."""
    names = ", ".join(f"{each['llm_name']} ({each['reason']})" for each in excluded)
    if len(names) > LISTED_CHARACTERS:
        names = names[:LISTED_CHARACTERS] + "..."
    why = f"excluded are {names}" if names else "none has values"
    return f"No LLM to recommend in scenario {shown(known['scenario'])}: {why}"
