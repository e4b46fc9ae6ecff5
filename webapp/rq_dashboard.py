"""/rq: rq-dashboard, which brings no guard of its own, behind one.

HTTP Basic with the API key as password; no change by GET, none from another site, and no deleting.
"""

from urllib.parse import urlsplit

import rq_dashboard
from flask import Flask, Response, request
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.serializers import JSONSerializer
from rq_dashboard import web
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, MethodNotAllowed, NotFound, Unauthorized

from webapp.auth import is_key, refuse_wrong_key
from webapp.errors import answer_error
from webapp.redis import impatient_redis
from webapp.settings import Settings

BLUEPRINT = rq_dashboard.blueprint.name
REGISTRIES = ("queued", "started", "finished", "failed", "deferred", "scheduled", "canceled")
READING = ("GET", "HEAD", "OPTIONS")


def register_rq_dashboard(app: Flask, settings: Settings) -> None:
    """Serve the dashboard of the run queue at /rq."""
    app.config["RQ_DASHBOARD_REDIS_URL"] = [settings.redis_url]  # shown, without its password
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True
    # Where rq-dashboard looks for its connection. Its own hook would make a new, patient one each request.
    app.redis_conn = impatient_redis(settings)  # type: ignore[attr-defined]
    hooks = rq_dashboard.blueprint.before_request_funcs.get(None, [])
    if web.push_rq_connection in hooks:
        hooks.remove(web.push_rq_connection)
    web.config.serializer = JSONSerializer
    app.register_blueprint(rq_dashboard.blueprint, url_prefix="/rq")
    app.before_request(_guard)
    app.register_error_handler(NoSuchJobError, _answer_no_such_job)
    app.register_error_handler(InvalidJobOperation, _answer_no_such_job)


def _guard() -> None:
    """Refuse what must not reach rq-dashboard."""
    if request.blueprint != BLUEPRINT:
        return
    _require_password()
    if request.method not in READING:
        _require_same_site()
    elif request.endpoint == f"{BLUEPRINT}.requeue_all":
        raise MethodNotAllowed(["POST"], "use POST: this changes something")
    _require_known_arguments()


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
    if urlsplit(origin).netloc != request.host:
        raise Forbidden(f"Origin={origin!r}: changes are taken from this site's own pages only")


def _require_known_arguments() -> None:
    """rq-dashboard answers 500 to some arguments that it does not know."""
    arguments = request.view_args or {}
    if arguments.get("instance_number", 0) != 0:
        raise NotFound(f"instance_number={arguments['instance_number']}: there is one, 0")
    registry = arguments.get("registry_name", REGISTRIES[0])
    if registry not in REGISTRIES:
        raise NotFound(f"registry_name={registry!r}: must be one of {', '.join(REGISTRIES)}")
    for name in ("page", "per_page"):
        value = str(arguments.get(name, 1))
        if not (value.isascii() and value.isdigit() and 0 < int(value) <= 1000):
            raise NotFound(f"{name}={value!r}: must be a whole number from 1 to 1000")


def _answer_no_such_job(error: Exception) -> Response:
    return answer_error(NotFound("there is no such job, or it cannot be requeued"))
