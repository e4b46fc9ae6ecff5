"""/run: one run, and how a measured one went."""

from collections.abc import Iterator
from typing import Any

from flask import Response, render_template
from marshmallow import Schema
from werkzeug.exceptions import NotFound

from llm_measure.records import SECOND_NS
from webapp.cache import snapshot
from webapp.page.text import duration, figure, percentage, whole
from webapp.page.views import query_arguments, respond_fresh
from webapp.queries import LARGEST_ID, whole_filter
from webapp.store import run_records

# A label, a value, and what the value means.
Fact = tuple[str, str, str]


class Query(Schema):
    """The query string of /run."""

    id = whole_filter(1, LARGEST_ID, None, "Id of the run", 1234)


def show(live: bool) -> Response | str:
    """Return the run, which is never cached, since runs change between refreshes."""
    query = query_arguments(Query)
    if query["id"] is None:
        raise NotFound("id: missing; expected that of a run, as in /run?id=1234")
    with snapshot() as conn:
        found = run_records.read(conn, run_id=query["id"])
    if not found:
        raise NotFound(f"id={query['id']}: unknown run")
    (run,) = found
    parts = [(title, list(facts(run.measurement))) for title, facts in PARTS if run.measurement]
    return respond_fresh(
        render_template("page/run.html", run=run, parts=parts), f"Run of {run.llm_name}", live
    )


def _load(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield what was sent, and how much of it was answered."""
    yield "Level", measurement["level"].capitalize(), "Load on the endpoint"
    yield "Requests", whole(measurement["requests"]), "Measured requests, without those of the warm-up"
    errors = measurement["errors"]
    failed = sum(errors.values())
    classes = ", ".join(f"{name} {number}" for name, number in errors.items())
    ratio = f" ({percentage(failed / measurement['requests'])}): {classes}" if failed else ""
    yield "Failed", f"{whole(failed)}{ratio}", "Failed requests by class"
    yield "Duration", duration(measurement["duration_s"]), "From the first measured request to the last end"
    if span := measurement.get("span_ns"):
        begin, end = (moment / SECOND_NS for moment in span)
        meaning = "While the concurrency was held, or the whole level; rates per second are taken over it"
        yield "Span", f"{duration(end - begin)}, from {begin:.2f} s to {end:.2f} s", meaning
    for name, meaning in (("offered", "sent"), ("achieved", "answered")):
        if (rate := measurement.get(f"{name}_rate")) is not None:
            yield f"{name.capitalize()} rate", f"{figure(rate)} requests/s", f"Requests that were {meaning}"
    if "saturated" in measurement:
        saturated = "Yes" if measurement["saturated"] else "No"
        yield "Saturated", saturated, "Whether the answers fell behind the requests"


def _responses(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield what the responses were like."""
    if (together := measurement.get("chunks_together")) is not None:
        meaning = "Chunks that came with the one before; above 10 %, itl is not ranked"
        yield "Chunks together", percentage(together), meaning


def _client(measurement: dict[str, Any]) -> Iterator[Fact]:
    """Yield whether the machine of the worker was busy."""
    seconds = measurement["duration_s"]
    if (waited := measurement.get("client_wait_s")) is not None:
        share = f" ({percentage(waited / seconds)} of the duration)" if seconds else ""
        meaning = "For a processor that other programs used; above 15 %, the run is invalid"
        yield "Client wait", f"{duration(waited)}{share}", meaning
    yield "Client CPU", duration(measurement["client_cpu_s"]), "Processor time of the measuring client"
    lag = measurement["send_lag_ms"]
    lags = ", ".join(f"{name} {figure(lag[name])} ms" for name in ("p50", "p99", "max"))
    yield "Send lag", lags, "How late requests were sent"


PARTS = (("Load", _load), ("Responses", _responses), ("Client", _client))
