"""GET and POST /api/v1/benchmarks/runs, GET /api/v1/benchmarks/runs/{run_id} and .../{run_id}/requests.

Runs start without a new generation, so that nothing here comes from the cache.
"""

import re
from typing import Any

from flask import Response, current_app, request
from redis import Redis, RedisError
from werkzeug.exceptions import NotFound

from webapp.api.arguments import filters
from webapp.api.common import (
    ROW_ID,
    document_change,
    document_read,
    json_body,
    json_response,
    keyed_blueprint,
    refuse_arguments,
)
from webapp.api.runs.schemas import (
    JobSchema,
    NewRunSchema,
    RequestsQuery,
    RequestsSchema,
    RunSchema,
    RunsSchema,
)
from webapp.cache import snapshot
from webapp.errors import shown
from webapp.on_demand import job_status, request_measurement, request_simulation, status_with_runs
from webapp.plan.measurement import Measurement
from webapp.queries import RunsQuery, llm_id, scenario_ids
from webapp.store import Connection, requests, run_records, views
from webapp.store.run_records import RunRecord

URL = "/api/v1/benchmarks/runs"
blueprint = keyed_blueprint("runs", __name__, url_prefix=URL, description="Runs, past and requested")

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
ID_IN_PATH = {
    "name": "run_id",
    "in": "path",
    "required": True,
    "description": "Id of a run or a job",
    "schema": {"type": "string", "pattern": f"^{JOB_ID.pattern}$", "example": "simulation-1795521600"},
}
RUN_OR_JOB = {"oneOf": [{"$ref": "#/components/schemas/Run"}, {"$ref": "#/components/schemas/Job"}]}


@blueprint.get("")
@filters(blueprint, RunsQuery)
@document_read(blueprint, RunsSchema, errors={503: "Database unreachable"})
def list_runs(query: dict[str, Any]) -> Response:
    """List runs, newest first.

    Returns one page; `next` is the `cursor` of the following page.
    """
    with snapshot() as conn:
        found = _find(conn, query)
        page = found[: query["limit"]]
        more = len(found) > len(page)
        parts = {"generation": views.generation(conn), "runs": page, "next": page[-1].id if more else None}
    return json_response(RunsSchema().dumps(parts).encode())


def _find(conn: Connection, query: dict[str, Any]) -> list[RunRecord]:
    """Return the requested page, and one more run if there is one."""
    return run_records.read(
        conn,
        limit=query["limit"] + 1,
        before=query["cursor"],
        scenario_ids=scenario_ids(conn, query),
        llm_id=llm_id(conn, query["llm"]) if query["llm"] else None,
        **{name: query[name] for name in ("status", "source", "job_id")},
    )


@blueprint.post("")
@json_body(blueprint, NewRunSchema, optional=True)
@document_change(
    blueprint,
    202,
    JobSchema,
    "The job, queued",
    errors={
        400: "Body: invalid JSON",
        404: "Measurement not in the benchmark file",
        413: "Body too large",
        415: "Content-Type must be application/json",
    },
)
def request_run(new: dict[str, dict[str, str]]) -> Response:
    """Request a run now.

    Enqueues a simulation or, with `measure`, a measurement of the benchmark file, in the slot of the current
    second. While an earlier request for the same run is still queued, returns that job.
    """
    settings = current_app.extensions["settings"]
    job_id = (
        request_measurement(_redis(), settings, _declared(**new["measure"]))
        if "measure" in new
        else request_simulation(_redis(), settings)
    )
    response = json_response(_job(job_id), 202)
    response.headers["Location"] = f"{request.script_root}{URL}/{job_id}"
    return response


def _declared(llm: str, scenario: str) -> Measurement:
    for measurement in current_app.extensions["plan"].measurements():
        if (measurement.llm, measurement.scenario) == (llm, scenario):
            return measurement
    raise NotFound(f"llm={shown(llm)}, scenario={shown(scenario)}: not in the benchmark file")


@blueprint.route("/<run_id>", methods=["GET"], parameters=[ID_IN_PATH])
@document_read(
    blueprint, RUN_OR_JOB, errors={404: "Unknown run or job", 503: "Database or Redis unreachable"}
)
def get_run(run_id: str) -> Response:
    """Get a run, or a job with its runs.

    A number is the id of a run, anything else the id of a job.
    """
    refuse_arguments()
    return json_response(_run(int(run_id)) if ROW_ID.fullmatch(run_id) else _job(run_id))


@blueprint.route("/<run_id>/requests", methods=["GET"], parameters=[ID_IN_PATH])
@filters(blueprint, RequestsQuery)
@document_read(blueprint, RequestsSchema, errors={404: "Unknown run", 503: "Database unreachable"})
def list_requests(query: dict[str, Any], run_id: str) -> Response:
    """List the requests of a measured run, by number.

    Returns one page; `next` is the `cursor` of the following page. Simulated runs have no requests; those of
    measured runs are kept for RETENTION_DAYS.
    """
    if not ROW_ID.fullmatch(run_id):
        raise NotFound(f"run_id={shown(run_id)}: unknown run")
    after = -1 if query["cursor"] is None else query["cursor"]
    with snapshot() as conn:
        slot = _known_run(conn, int(run_id)).slot
        found = requests.read(conn, slot, int(run_id), after, query["limit"] + 1)
    page = found[: query["limit"]]
    more = len(found) > len(page)
    parts = {"requests": page, "next": page[-1].number if more else None}
    return json_response(RequestsSchema().dumps(parts).encode())


def _run(run_id: int) -> bytes:
    with snapshot() as conn:
        return RunSchema().dumps(_known_run(conn, run_id)).encode()


def _known_run(conn: Connection, run_id: int) -> RunRecord:
    found = run_records.read(conn, run_id=run_id)
    if not found:
        raise NotFound(f"run_id={run_id}: unknown run")
    return found[0]


def _job(job_id: str) -> bytes:
    """Return the job, from Redis and the database; NotFound if it is in neither.

    Redis is read first, so that a finished job always has its runs. If Redis is unreachable, the status comes
    from the runs; raises redis.RedisError if there are none.
    """
    unreachable = status = None
    try:
        status = job_status(_redis(), job_id)
    except RedisError as error:
        unreachable = error
    with snapshot() as conn:
        runs = run_records.read(conn, job_id=job_id) if JOB_ID.fullmatch(job_id) else []
        generation = views.generation(conn)
    status = status_with_runs(status, runs)
    if status is None:
        raise unreachable or NotFound(f"run_id={shown(job_id)}: unknown job")
    parts = {"generation": generation, "job_id": job_id, "status": status, "runs": runs}
    return JobSchema().dumps(parts).encode()


def _redis() -> Redis:
    return current_app.extensions["redis"]
