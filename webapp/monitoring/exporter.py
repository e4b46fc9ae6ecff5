"""/metrics of a process that is no web server: scheduler or worker, at METRICS_PORT."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, make_wsgi_app

from webapp.auth import key_digests, matches
from webapp.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

CHALLENGE = [("WWW-Authenticate", "Bearer"), ("Content-Type", "text/plain")]
# A client that sends no request is cut off, or it would keep a thread for ever.
REQUEST_SECONDS = 5


def registry() -> CollectorRegistry:
    """A registry with what is known of any process: its memory, processor time, open files, and Python."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    return made


def export(metrics: CollectorRegistry, settings: Settings) -> None:
    """Answer /metrics from a thread of this process, until it ends; does nothing without METRICS_PORT.

    Raises SettingsError when the port cannot be had.
    """
    if settings.metrics_port is None:
        return
    host = settings.host
    app = make_wsgi_app(metrics)
    if not settings.metrics_public:
        app = _keyed(app, key_digests(settings))
    try:
        server = make_server(host, settings.metrics_port, app, _Server, _Handler)
    except OSError as error:
        fault = f"METRICS_PORT={settings.metrics_port}: cannot be used on {host} ({error.strerror})"
        raise SettingsError([fault]) from None
    # A run's process must not keep the port of a worker that has died.
    os.register_at_fork(after_in_child=server.socket.close)
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()
    logger.info("metrics at http://%s:%d/metrics", host, settings.metrics_port)


def _keyed(app: Callable, digests: list[bytes]) -> Callable:
    """The app for those who send a key, as a Bearer token or in the header x-api-key."""

    def guarded(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        if matches(digests, environ.get("HTTP_X_API_KEY") or bearer):
            return app(environ, start_response)
        start_response("401 Unauthorized", CHALLENGE)
        return [b"send an API key as a Bearer token or in the header x-api-key\n"]

    return guarded


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a scrape by %s broke off: %s", client_address, sys.exception())


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each scrape."""
