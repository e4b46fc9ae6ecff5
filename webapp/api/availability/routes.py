"""GET /api/v1/benchmarks/availability."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

from flask import Response
from werkzeug.exceptions import UnprocessableEntity

from webapp.api.arguments import filters
from webapp.api.availability.schemas import BY_HOUR, REACHES, AvailabilityQuery, AvailabilitySchema
from webapp.api.common import document_read, keyed_blueprint
from webapp.cache import answers
from webapp.queries import answer_name, llm_id, scenario_ids
from webapp.store import Connection, availability, views
from webapp.store.availability import Availability
from webapp.windows import HOUR

blueprint = keyed_blueprint(
    "availability",
    __name__,
    url_prefix="/api/v1/benchmarks/availability",
    description="Share of runs that succeeded, by hour and day",
)


@blueprint.get("")
@filters(blueprint, AvailabilityQuery)
@document_read(blueprint, AvailabilitySchema)
def get_availability(query: dict[str, Any]) -> Response:
    """Get the availability of the LLMs by hour or day.

    Counts runs by how they ended. Invalid and missed runs say nothing about an LLM, so that `ratio` leaves
    them out.
    """
    is_hourly = query["period"] == HOUR
    query["window"] = query["window"] or ("24h" if is_hourly else "30d")
    if is_hourly and query["window"] not in BY_HOUR:
        raise UnprocessableEntity(
            f"window={query['window']!r}: too long for period='hour'; expected one of {', '.join(BY_HOUR)}"
        )
    return answers().respond(answer_name("availability", query), partial(_availability, query))


def _availability(query: dict[str, Any], conn: Connection) -> bytes:
    found = availability.read(
        conn,
        period=query["period"],
        reach=REACHES[query["window"]],
        now=datetime.now(UTC),
        source=query["source"],
        scenario_ids=scenario_ids(conn, query),
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
    )
    parts = {
        "generation": views.generation(conn),
        **{name: query[name] for name in ("period", "window", "source", "scenario", "region")},
        "llms": list(_by_llm(found)),
    }
    return AvailabilitySchema().dumps(parts).encode()


def _by_llm(found: list[Availability]) -> Iterator[dict[str, Any]]:
    for name, group in groupby(found, key=lambda row: row.llm_name):
        periods = list(group)
        sums = {
            ending: sum(getattr(row, ending) for row in periods)
            for ending in ("finished", "failed", "invalid", "missed")
        }
        total = replace(periods[0], **sums)
        yield {"llm_name": name, **sums, "ratio": total.ratio, "periods": periods}
