"""/rq: rq-dashboard, which has no access control, behind a guard.

The page's sign-in, or HTTP Basic authentication with an API key as password; no change by GET or from another
site; no deletion; and no markup or script but its own, whatever the jobs contain.
"""

import re
from base64 import b64encode
from hashlib import sha256
from secrets import token_urlsafe
from types import SimpleNamespace

import rq_dashboard
from flask import Flask, Response, current_app, g, request
from redis import Redis, ResponseError
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from rq_dashboard import web
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, MethodNotAllowed, NotFound, Unauthorized

from webapp.auth import authorization, check_key
from webapp.errors import DATABASE_UNREACHABLE, answer_error, answer_redis_unreachable, shown
from webapp.headers import security_headers
from webapp.page.access import is_signed_in
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import QUEUE_NAME
from webapp.redis import cache_redis, shown_address
from webapp.rq_rows import compile_rows
from webapp.settings import Settings

BLUEPRINT = rq_dashboard.blueprint.name
READING = ("GET", "HEAD", "OPTIONS")
# Patterns of the arguments in paths; other values make rq-dashboard fail, or show things that do not exist.
ALLOWED = {
    "instance_number": (r"0", "must be 0"),
    "registry_name": (
        r"queued|started|finished|failed|deferred|scheduled|canceled",
        "must be queued, started, finished, failed, deferred, scheduled or canceled",
    ),
    "job_id": (r"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?", "unknown job"),
    # One of its scripts contains the name, unescaped.
    "queue_name": (r"[A-Za-z0-9_.:-]+", "unknown queue"),
    "order": (r"asc|dsc", "must be asc or dsc"),
    "page": (r"[1-9][0-9]{0,3}", "must be a whole number from 1 to 9999"),
    "per_page": (r"[1-9][0-9]{0,2}", "must be a whole number from 1 to 999"),
}
# The style attributes in its templates, and their hashes, which the Content-Security-Policy names.
STYLES = ("", "display: none", "float: right", "float: right; margin-right: 8px;")
STYLE_HASHES = [f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in STYLES]


def register_rq_dashboard(app: Flask, settings: Settings) -> None:
    """Serve the dashboard of the run queue at /rq."""
    app.config["RQ_DASHBOARD_REDIS_URL"] = [shown_address(settings)]
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True
    # rq-dashboard takes its connection from here. Its hook would open a new one, with retries, per request.
    app.redis_conn = cache_redis(settings)  # type: ignore[attr-defined]
    hooks = rq_dashboard.blueprint.before_request_funcs.get(None, [])
    if web.push_rq_connection in hooks:
        hooks.remove(web.push_rq_connection)
    _read_json_only()
    app.register_blueprint(rq_dashboard.blueprint, url_prefix="/rq")
    app.jinja_env.globals.update(compile_rows=compile_rows, csp_nonce=_nonce)
    # Registered with this app, since the blueprint is shared by all apps; before all other hooks.
    app.before_request_funcs.setdefault(BLUEPRINT, []).insert(0, _guard)
    app.after_request_funcs.setdefault(BLUEPRINT, []).append(_set_headers)
    app.register_error_handler(NoSuchJobError, _answer_unknown_job)
    app.register_error_handler(InvalidJobOperation, _answer_unknown_job)
    app.register_error_handler(ResponseError, _answer_response_error)


def _read_json_only() -> None:
    """Make rq-dashboard read JSON where it would unpickle what it finds in Redis."""
    web.config.serializer = JSONSerializer
    web.Job = JSONJob
    web.requeue_job = _requeue
    web.Worker = SimpleNamespace(all=_all_workers)


def _requeue(job_id: str, connection: Redis) -> Job:
    return JSONJob.fetch(job_id, connection=connection).requeue()


def _all_workers(connection: Redis) -> list[BaseWorker]:
    return Worker.all(connection, job_class=JSONJob, serializer=JSONSerializer)


def _guard() -> None:
    """Refuse requests that must not reach rq-dashboard."""
    if not _is_signed_in():
        _require_password()
    if request.method not in READING:
        _require_same_site()
    elif request.endpoint == f"{BLUEPRINT}.requeue_all":
        raise MethodNotAllowed(["POST"], "Changes are accepted by POST only")
    arguments = request.view_args or {}
    _require_known_arguments(arguments)
    if request.endpoint != f"{BLUEPRINT}.static":
        _require_queue(current_app.redis_conn, arguments)  # type: ignore[attr-defined]


def _nonce() -> str:
    """Return the random text that marks the scripts of this response."""
    return g.setdefault("csp_nonce", token_urlsafe(16))


def _set_headers(response: Response) -> Response:
    response.headers.update(
        security_headers(
            script_src=f"'nonce-{_nonce()}'",
            style_src=" ".join(("'unsafe-hashes'", *STYLE_HASHES)),
            img_src="data:",  # Bootstrap's icons
        )
    )
    return response


def _is_signed_in() -> bool:
    """Return whether the page's cookie proves a sign-in; without PostgreSQL, the password is required.

    The header Authorization may then hold anything, such as the password of a proxy in front.
    """
    try:
        return is_signed_in()
    except DATABASE_UNREACHABLE:
        return False


def _require_password() -> None:
    challenge = WWWAuthenticate("basic", {"realm": "LLM Benchmark queue"})
    given = authorization()
    if given is None or given.type != "basic" or not given.password:
        raise Unauthorized(
            "Sign in on the page, or here with any user name, and an API key as password",
            www_authenticate=challenge,
        )
    if not check_key(given.password):
        raise Unauthorized("Wrong password; expected an API key", www_authenticate=challenge)


def _require_same_site() -> None:
    """Refuse a change from another site's page, by what browsers send with every POST.

    Over HTTPS, and to localhost, a browser itself compares the addresses that it sees, in Sec-Fetch-Site, so
    a proxy need not pass Host. Otherwise Origin must have the request's scheme, host and port: another port
    or scheme of this host may serve somebody else's pages.
    """
    compared = request.headers.get("Sec-Fetch-Site")
    if compared == "same-origin":
        return
    origin, site = request.headers.get("Origin", ""), f"{request.scheme}://{request.host.lower()}"
    if compared or not request.host or origin.lower() != site:
        raise Forbidden(
            f"Origin={shown(origin)}: changes are accepted from this site's pages only;"
            " a proxy in front must pass on the header Host"
        )


def _require_known_arguments(arguments: dict[str, object]) -> None:
    for name, (pattern, rule) in ALLOWED.items():
        if name in arguments and not re.fullmatch(pattern, str(arguments[name])):
            raise NotFound(f"{name}={shown(arguments[name])}: {rule}")


def _require_queue(redis: Redis, arguments: dict[str, object]) -> None:
    """Raise RedisError if Redis is unreachable, NotFound if the queue is unknown.

    rq-dashboard would answer both with status 200.
    """
    redis.ping()
    if "queue_name" not in arguments:
        return
    # The page of jobs opens with RQ's default queue, which does not exist here.
    name = arguments["queue_name"] = arguments["queue_name"] or QUEUE_NAME
    if name == QUEUE_NAME:
        return
    if not redis.sismember(Queue.redis_queues_keys, f"{Queue.redis_queue_namespace_prefix}{name}"):
        raise NotFound(f"queue_name={shown(name)}: unknown queue")


def _answer_unknown_job(error: Exception) -> Response:
    return answer_error(NotFound("Unknown job, or one that cannot be requeued"))


def _answer_response_error(error: Exception) -> Response:
    # Redis responds with this error when an empty queue is compacted.
    return (
        answer_error(NotFound("The queue is empty"))
        if "no such key" in str(error)
        else answer_redis_unreachable(error)
    )
