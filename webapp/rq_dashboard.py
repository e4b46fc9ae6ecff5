"""/rq: rq-dashboard, which brings no guard of its own, behind one.

HTTP Basic with the API key as password; no change by GET, none from another site, and no deleting.
"""

import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import rq_dashboard
from flask import Flask, Response, current_app, request
from redis import Redis, ResponseError
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from rq_dashboard import web
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, MethodNotAllowed, NotFound, Unauthorized

from webapp.auth import is_key, refuse_wrong_key
from webapp.errors import answer_error, answer_redis_away, shown
from webapp.redis import cache_redis
from webapp.settings import Settings

QUEUE_NAME = "runs"  # as in webapp.queue, which builds upon this package
BLUEPRINT = rq_dashboard.blueprint.name
READING = ("GET", "HEAD", "OPTIONS")
# What rq-dashboard answers with 500, or as if it were there, although it is not.
ALLOWED = {
    "instance_number": (r"0", "there is one, 0"),
    "registry_name": (
        r"queued|started|finished|failed|deferred|scheduled|canceled",
        "must be queued, started, finished, failed, deferred, scheduled or canceled",
    ),
    "job_id": (r"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?", "no such job"),
    "order": (r"asc|dsc", "must be asc or dsc"),
    "page": (r"[1-9][0-9]{0,3}", "must be a whole number from 1 to 9999"),
    "per_page": (r"[1-9][0-9]{0,2}", "must be a whole number from 1 to 999"),
}


class JSONJob(Job):
    """A job that is JSON in Redis, whatever serializer rq-dashboard names or leaves out."""

    def __init__(self, id: str | None = None, connection: Redis | None = None, serializer: object = None):
        super().__init__(id=id, connection=connection, serializer=JSONSerializer)


def register_rq_dashboard(app: Flask, settings: Settings) -> None:
    """Serve the dashboard of the run queue at /rq."""
    app.config["RQ_DASHBOARD_REDIS_URL"] = [settings.redis_url]  # shown, without its password
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True
    # Where rq-dashboard looks for its connection. Its own hook would make a new, patient one each request.
    app.redis_conn = cache_redis(settings)  # type: ignore[attr-defined]
    hooks = rq_dashboard.blueprint.before_request_funcs.get(None, [])
    if web.push_rq_connection in hooks:
        hooks.remove(web.push_rq_connection)
    _read_json_only()
    app.register_blueprint(rq_dashboard.blueprint, url_prefix="/rq")
    # Its pages name the app's own static files, which the page's blueprint serves.
    app.add_url_rule("/static/<path:filename>", endpoint="static", build_only=True)
    # Of this app alone, while the blueprint is everybody's; first of all, and at no cost to other requests.
    app.before_request_funcs.setdefault(BLUEPRINT, []).insert(0, _guard)
    app.register_error_handler(NoSuchJobError, _answer_no_such_job)
    app.register_error_handler(InvalidJobOperation, _answer_no_such_job)
    app.register_error_handler(ResponseError, _answer_response_error)


def _read_json_only() -> None:
    """Where rq-dashboard would unpickle what it finds in Redis, let it read JSON."""
    web.config.serializer = JSONSerializer
    web.Job = JSONJob
    web.requeue_job = _requeue
    web.Worker = SimpleNamespace(all=_all_workers)


def _requeue(job_id: str, connection: Redis) -> Job:
    return JSONJob.fetch(job_id, connection=connection).requeue()


def _all_workers(connection: Redis) -> list[BaseWorker]:
    return Worker.all(connection, job_class=JSONJob, serializer=JSONSerializer)


def _guard() -> None:
    """Refuse what must not reach rq-dashboard."""
    _require_password()
    if request.method not in READING:
        _require_same_site()
    elif request.endpoint == f"{BLUEPRINT}.requeue_all":
        raise MethodNotAllowed(["POST"], "use POST: this changes something")
    arguments = request.view_args or {}
    _require_known_arguments(arguments)
    if request.endpoint != f"{BLUEPRINT}.static":
        _require_queue(current_app.redis_conn, arguments)  # type: ignore[attr-defined]


def _require_password() -> None:
    challenge = WWWAuthenticate("basic", {"realm": "LLM Benchmark queue"})
    given = request.authorization
    if given is None or given.type != "basic" or not given.password:
        raise Unauthorized(
            "sign in with any user name and the API key as password", www_authenticate=challenge
        )
    if not is_key(given.password):
        refuse_wrong_key()
        raise Unauthorized("the password is not an API key", www_authenticate=challenge)


def _require_same_site() -> None:
    """A browser names the origin of every POST; one of another site, or none, is refused."""
    origin = request.headers.get("Origin", "")
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        site = ""
    if not site or site != request.host:
        raise Forbidden(f"Origin={shown(origin)}: changes are taken from this site's own pages only")


def _require_known_arguments(arguments: dict[str, object]) -> None:
    for name, (pattern, rule) in ALLOWED.items():
        if name in arguments and not re.fullmatch(pattern, str(arguments[name])):
            raise NotFound(f"{name}={shown(arguments[name])}: {rule}")


def _require_queue(redis: Redis, arguments: dict[str, object]) -> None:
    """Raises RedisError at once, where rq-dashboard would answer 200 and a page that says so."""
    redis.ping()
    if "queue_name" not in arguments:
        return
    # The page of jobs opens with RQ's default queue, which is not used here.
    name = arguments["queue_name"] = arguments["queue_name"] or QUEUE_NAME
    if name == QUEUE_NAME:
        return
    if not redis.sismember(Queue.redis_queues_keys, f"{Queue.redis_queue_namespace_prefix}{name}"):
        raise NotFound(f"queue_name={shown(name)}: no such queue")


def _answer_no_such_job(error: Exception) -> Response:
    return answer_error(NotFound("there is no such job, or it cannot be requeued"))


def _answer_response_error(error: Exception) -> Response:
    """Compacting an empty queue is answered with this."""
    return (
        answer_error(NotFound("the queue is empty"))
        if "no such key" in str(error)
        else answer_redis_away(error)
    )
