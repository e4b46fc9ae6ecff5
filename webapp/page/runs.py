"""/runs: what ran and what is being run; and a run now."""

from typing import Any

from flask import Response, current_app, redirect, render_template, request, url_for
from redis import Redis, RedisError
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from webapp.cache import snapshot
from webapp.errors import shown
from webapp.on_demand import job_status, request_measurement, request_simulation
from webapp.page.access import require_writer
from webapp.page.views import answer_fresh, asked
from webapp.plan.measurement import Measurement
from webapp.queries import SOURCES, RunsQuery, llm_id, scenario_id
from webapp.store import Connection, catalogue, llms, run_records
from webapp.store.run_records import STATUSES


def show(live: bool) -> Response | str:
    """Runs, newest first, a page at a time."""
    query = asked(RunsQuery)
    with snapshot() as conn:
        html = _list(query, conn)
    return answer_fresh(html, "Runs", live)


def run_now() -> AnyResponse:
    """Ask for a run, of the simulation or of the measurement that the form names, and show how it stands."""
    require_writer()
    settings = current_app.extensions["settings"]
    slug = request.form.get("measurement")
    if slug:
        job_id = request_measurement(_redis(), settings, _declared(slug))
    else:
        job_id = request_simulation(_redis(), settings)
    return redirect(url_for("page.runs", job_id=job_id), 303)


def _declared(slug: str) -> Measurement:
    """The measurement of that slug; NotFound if the benchmark file declares none."""
    for measurement in current_app.extensions["measurements"]:
        if measurement.slug == slug:
            return measurement
    raise NotFound(f"measurement={shown(slug)}: the benchmark file declares no such measurement")


def _list(query: dict[str, Any], conn: Connection) -> str:
    found = run_records.read(
        conn,
        limit=query["limit"] + 1,
        before=query["cursor"],
        scenario_id=scenario_id(conn, query["scenario"]) if query["scenario"] else None,
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        **{name: query[name] for name in ("status", "source", "job_id")},
    )
    page = found[: query["limit"]]
    return render_template(
        "page/runs.html",
        query=query,
        runs=page,
        next=page[-1].id if len(found) > len(page) else None,
        job=query["job_id"] and _job_status(query["job_id"]),
        statuses=STATUSES,
        measurements=current_app.extensions["measurements"],
        sources=SOURCES,
        scenarios=catalogue.scenario_names(conn),
        llms=[llm.name for archived in (False, True) for llm in llms.read_all(conn, archived)],
    )


def _job_status(job_id: str) -> str | None:
    """As Redis knows it; None if it does not, or is away."""
    try:
        return job_status(_redis(), job_id)
    except RedisError:
        return None


def _redis() -> Redis:
    return current_app.extensions["redis"]
