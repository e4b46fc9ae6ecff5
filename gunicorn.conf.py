"""gunicorn's settings. Measurements led to worker class, workers and threads, see docs/design.md."""

import json
import os
import resource
import sys

from gunicorn import util
from werkzeug.http import HTTP_STATUS_CODES

from webapp.monitoring.counts import ROWS
from webapp.plan.current import read_plan
from webapp.redis import cache_redis
from webapp.settings import Settings, SettingsError, exit_for
from webapp.web_worker import Worker

try:
    settings = Settings.from_env(needs_key=True)
    read_plan(settings, cache_redis(settings))
except SettingsError as error:
    exit_for(error)

LONGEST_MESSAGE = 300

# gunicorn itself would answer paths outside SCRIPT_NAME, such as those of health probes, with 500.
if os.environ.pop("SCRIPT_NAME", ""):
    os.environ["URL_PREFIX"] = settings.url_prefix
Worker.liveness_paths = frozenset({b"/healthz", f"{settings.url_prefix}/healthz".encode()})

wsgi_app = "wsgi:app"
bind = settings.bind

worker_class = Worker
workers = settings.web_concurrency
threads = 4
worker_connections = 1000
# Each connection needs a descriptor, and a second one while it is sent a file.
wanted_descriptors = 4096
descriptors, most_descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
if descriptors < wanted_descriptors <= most_descriptors:
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted_descriptors, most_descriptors))
# A thread that waits for Redis releases the interpreter's lock. By default, a busy thread may hold it for
# 5 ms, ten times the duration of a request; with 100 us, cached rankings are answered twice as fast.
sys.setswitchinterval(0.0001)
# The app is imported once and shared by the forks. No connection is open by then, so that none is shared.
preload_app = True
# Each worker is replaced after this number of requests, so that a slow leak stays small.
max_requests = 100_000
max_requests_jitter = 10_000


def on_starting(server):
    """Warn about an empty SECRET_KEY."""
    if not settings.secret_key:
        server.log.warning(
            "SECRET_KEY is empty: page sessions end when this server stops; make env generates a key"
        )


def pre_fork(server, worker):
    """Assign the worker a row of the counts that no living worker has."""
    taken = {other.row for other in server.WORKERS.values()}
    worker.row = next(row for row in range(ROWS) if row not in taken)


def post_fork(server, worker):
    """Let the worker count in its row; other apps than ours have no counts."""
    extensions = getattr(worker.app.wsgi(), "extensions", {})
    if "counts" in extensions:
        extensions["counts"].use_row(worker.row)


timeout = 30
graceful_timeout = 20
keepalive = settings.keepalive
# Longer paths and headers are refused before they reach the app.
limit_request_line = 4094
limit_request_field_size = 8190
# The app alone decides whose X-Forwarded-* headers are believed, see webapp/proxies.py. By default, gunicorn
# would let every client on this machine, or behind a proxy on it, set the scheme and the path.
forwarder_headers = ""
secure_scheme_headers = {}
forwarded_allow_ips = ""

control_socket_disable = True
# The app configures logging, so that all processes share one format.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"gunicorn.error": {"level": "INFO", "propagate": True, "handlers": []}},
}


def _write_json_error(sock, code, reason, message):
    """Answer errors that do not reach the app in the app's JSON format, where gunicorn would send HTML."""
    phrase = HTTP_STATUS_CODES.get(code, reason)
    body = json.dumps({"code": code, "status": phrase, "message": (message or reason)[:LONGEST_MESSAGE]})
    head = (
        f"HTTP/1.1 {code} {phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock.sendall((head + body).encode("ascii"))


util.write_error = _write_json_error
