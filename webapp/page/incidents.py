"""/incidents: a timeline across LLMs, and the list of incidents; the number of open ones on every page."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import Response, render_template
from marshmallow import Schema

from webapp.cache import answers
from webapp.errors import DATABASE_UNREACHABLE
from webapp.page.timeline import Period, lanes
from webapp.page.views import query_arguments, respond_present
from webapp.queries import LARGEST_ID, SOURCES, llm_id, name_filter, one_of, whole_filter
from webapp.store import Connection, incidents, llms
from webapp.store.incidents import SEVERITIES, STATUSES

WINDOWS = {"7d": timedelta(days=7), "30d": timedelta(days=30)}
LISTED = 50
MOST_ON_TIMELINE = 1000
OPEN_HEADER = "X-Open-Incidents"


class Query(Schema):
    """The query string of /incidents."""

    window = one_of(tuple(WINDOWS), "7d", "How far back the timeline goes")
    status = one_of(STATUSES, None, "Status of the incidents; any by default")
    severity = one_of(SEVERITIES, None, "Severity of the incidents; any by default")
    llm = name_filter("An LLM that is affected; any by default", "GPT-4o")
    source = one_of(SOURCES, None, "Source of the values; any by default")
    cursor = whole_filter(1, LARGEST_ID, None, "`next` of the previous page; the newest by default", 1234)


def show(live: bool) -> Response | str:
    """Return the timeline and one page of incidents, newest first."""
    query = query_arguments(Query)
    return respond_present("incidents", query, partial(_list, query), "Incidents", live)


def _list(query: dict[str, Any], conn: Connection) -> str:
    filters = {
        **{name: query[name] for name in ("status", "severity", "source")},
        "llm_id": llm_id(conn, query["llm"]) if query["llm"] else None,
    }
    now = datetime.now(UTC)
    period = Period(now - WINDOWS[query["window"]], now)
    recent = incidents.read(conn, since=period.since, limit=MOST_ON_TIMELINE, **filters)
    found = incidents.read(conn, before=query["cursor"], limit=LISTED + 1, **filters)
    page = found[:LISTED]
    return render_template(
        "page/incidents.html",
        query=query,
        period=period,
        lanes=lanes(recent, period),
        incidents=page,
        next=page[-1].id if len(found) > len(page) else None,
        windows=WINDOWS,
        statuses=STATUSES,
        severities=SEVERITIES,
        sources=SOURCES,
        llms=[llm.name for archived in (False, True) for llm in llms.read_all(conn, archived)],
    )


def count_open() -> int | None:
    """Return the number of open incidents, from the cache; None if the database is needed and unreachable."""
    with suppress(*DATABASE_UNREACHABLE):
        _, body = answers().read("page/open-incidents", lambda conn: b"%d" % incidents.count_open(conn))
        return int(body)
    return None


def add_open_header(response: Response) -> Response:
    """Add the number of open incidents, for the script that merges new results in."""
    if response.status_code in (200, 304) and (number := count_open()) is not None:
        response.headers[OPEN_HEADER] = str(number)
    return response
