"""/status: which LLMs work, their availability, and what happened in the last two weeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import Response, render_template
from marshmallow import Schema

from webapp.page import availability
from webapp.page.availability import Bars
from webapp.page.health import SILENCE, STATES, health
from webapp.page.opening import with_series
from webapp.page.views import query_arguments, respond_present
from webapp.queries import SOURCES, one_of
from webapp.store import Connection, incidents, llms
from webapp.store.availability import read as read_availability
from webapp.store.incidents import Incident

RECENT = timedelta(days=14)
MOST_RECENT = 100


@dataclass(frozen=True)
class State:
    """The state of an LLM, one of `health.STATES`, with its bars, if any, and its open incidents."""

    name: str
    state: str
    bars: Bars | None
    incidents: Sequence[Incident]


class Query(Schema):
    """The query string of /status."""

    source = one_of(SOURCES, None, "Source of the values; what is measured by default")


def show(live: bool) -> Response | str:
    """Return the status of every ranked LLM of the source."""
    query = query_arguments(Query)
    return respond_present("status", query, partial(_status, query), "Status", live)


def _status(query: dict[str, Any], conn: Connection) -> str:
    source = with_series(conn, {**query, "scenario": None, "region": None})["source"]
    now = datetime.now(UTC)
    ongoing = incidents.read(conn, source=source, status="open")
    states = _states(conn, source, now, ongoing)
    return render_template(
        "page/status.html",
        source=source,
        states=states,
        worst=min((each.state for each in states), key=STATES.index, default="no data"),
        affected=sum(each.state in ("down", "degraded") for each in states),
        ongoing=ongoing,
        resolved=incidents.read(
            conn, source=source, status="resolved", since=now - RECENT, limit=MOST_RECENT
        ),
        days=RECENT.days,
    )


def _states(conn: Connection, source: str, now: datetime, ongoing: Sequence[Incident]) -> list[State]:
    bars = availability.read(conn, source=source, now=now)
    heard = {
        row.llm_name
        for row in read_availability(conn, period="hour", reach=SILENCE, now=now, source=source)
        if row.ratio is not None
    }
    affected = {name for incident in ongoing for name in incident.active_names}
    names = [llm.name for llm in llms.read_all(conn, archived=False) if llm.name in affected | bars.keys()]
    return [
        State(
            name,
            health(name, ongoing, name in heard),
            bars.get(name),
            [incident for incident in ongoing if name in incident.active_names],
        )
        for name in names
    ]
