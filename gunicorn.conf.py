"""gunicorn's settings. Worker class, workers and threads were chosen by measurement; see the README."""

import html
import json
import os

from gunicorn import util

from webapp.settings import Settings, SettingsError, exit_for

try:
    Settings.from_env()
except SettingsError as error:
    exit_for(error)

wsgi_app = "wsgi:app"
bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8001')}"

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4
# Imported once and shared by the forks. Nothing is connected by then, so nothing is shared that must not be.
preload_app = True
# Each worker is replaced after so many requests, not all at once: a slow leak stays small.
max_requests = 100_000
max_requests_jitter = 10_000

timeout = 30
graceful_timeout = 20
keepalive = 15
# A path or header longer than this is refused before it reaches the app.
limit_request_line = 4094
limit_request_field_size = 8190

control_socket_disable = True
# The app's own logging is set up by the time that gunicorn's would be; one format for all.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"gunicorn.error": {"level": "INFO", "propagate": True, "handlers": []}},
}


def _write_json_error(sock, status_int, reason, message):
    """Answer what never reaches the app as the app answers all errors; gunicorn's own answer is HTML."""
    body = json.dumps({"code": status_int, "status": reason, "message": html.unescape(message)})
    head = (
        f"HTTP/1.1 {status_int} {reason}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, (head + body).encode("ascii"))


util.write_error = _write_json_error
