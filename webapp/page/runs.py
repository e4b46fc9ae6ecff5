"""/runs: past and current runs; and a run on demand."""

from typing import Any

from flask import Response, current_app, redirect, render_template, request, url_for
from redis import Redis, RedisError
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from webapp.cache import snapshot
from webapp.errors import shown
from webapp.on_demand import job_status, request_measurement, request_simulation, status_with_runs
from webapp.page.access import require_writer
from webapp.page.views import query_arguments, respond_fresh
from webapp.plan.measurement import Measurement
from webapp.queries import SOURCES, RunsFilters, llm_id, name_filter, region_filter, scenario_id
from webapp.scenarios import split
from webapp.store import Connection, catalogue, llms, run_records
from webapp.store.run_records import STATUSES


class Query(RunsFilters):
    """The query string of /runs."""

    scenario = name_filter("Scenario, without its region of all regions; any by default", "chat@c8")
    region = region_filter("Region that was measured from; any by default")


def show(live: bool) -> Response | str:
    """Return one page of runs, newest first."""
    query = query_arguments(Query)
    with snapshot() as conn:
        html = _list(query, conn)
    return respond_fresh(html, "Runs", live)


def run_now() -> AnyResponse:
    """Enqueue the measurement that the form names, or the simulation; redirect to the job's runs."""
    require_writer()
    settings = current_app.extensions["settings"]
    slug = request.form.get("measurement")
    if slug:
        job_id = request_measurement(_redis(), settings, _declared(slug))
    else:
        job_id = request_simulation(_redis(), settings)
    return redirect(url_for("page.runs", job_id=job_id), 303)


def _declared(slug: str) -> Measurement:
    """Return the measurement with that slug; NotFound if the benchmark file declares none."""
    for measurement in current_app.extensions["plan"].measurements():
        if measurement.slug == slug:
            return measurement
    raise NotFound(f"measurement={shown(slug)}: not declared in the benchmark file")


def _list(query: dict[str, Any], conn: Connection) -> str:
    scenarios = catalogue.scenario_names(conn)
    found = run_records.read(
        conn,
        limit=query["limit"] + 1,
        before=query["cursor"],
        scenario_ids=_scenario_ids(conn, query, scenarios),
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        **{name: query[name] for name in ("status", "source", "job_id")},
    )
    page = found[: query["limit"]]
    return render_template(
        "page/runs.html",
        query=query,
        runs=page,
        next=page[-1].id if len(found) > len(page) else None,
        job=query["job_id"] and status_with_runs(_job_status(query["job_id"]), found),
        statuses=STATUSES,
        measurements=current_app.extensions["plan"].measurements(),
        sources=SOURCES,
        scenarios=scenarios,
        llms=[llm.name for archived in (False, True) for llm in llms.read_all(conn, archived)],
    )


def _scenario_ids(conn: Connection, query: dict[str, Any], names: list[str]) -> list[int] | None:
    """Return the scenarios that are asked for, of all regions unless one is named; None for all."""
    scenario, region = query["scenario"], query["region"]
    if scenario is None and region is None:
        return None
    parts = [split(name) for name in names]
    found = [
        str(part)
        for part in parts
        if scenario in (None, str(part), part.local) and region in (None, part.region)
    ]
    if scenario and not any(scenario in (str(part), part.local) for part in parts):
        scenario_id(conn, scenario, query["source"])  # refuses it
    return catalogue.scenario_ids(conn, found)


def _job_status(job_id: str) -> str | None:
    """Return the job's status; None if Redis does not know it, or is unreachable."""
    try:
        return job_status(_redis(), job_id)
    except RedisError:
        return None


def _redis() -> Redis:
    return current_app.extensions["redis"]
