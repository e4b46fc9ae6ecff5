"""/metrics of a process that is not a web server: scheduler or worker, at METRICS_PORT."""

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, make_wsgi_app
from werkzeug.exceptions import TooManyRequests

from webapp.auth import KeyGuard
from webapp.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

CHALLENGE = ("WWW-Authenticate", "Bearer")
RETRY_AFTER = ("Retry-After", "60")
NO_KEY = "API key missing; expected as a Bearer token or in the header x-api-key"
# A client whose request is not complete by then is disconnected; it would otherwise keep a thread forever.
REQUEST_SECONDS = 5
# Scrapes at the same time; further clients are disconnected, and cost the process no thread.
MOST_CLIENTS = 16


def registry() -> CollectorRegistry:
    """Return a registry with the metrics of any process: memory, CPU time, open files, Python version."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    return made


def export(metrics: CollectorRegistry, settings: Settings) -> None:
    """Serve /metrics from a thread of this process until it ends; do nothing without METRICS_PORT.

    Raises SettingsError if the port cannot be bound.
    """
    if settings.metrics_port is None:
        return
    host = "127.0.0.1" if settings.socket_path else settings.host
    app = make_wsgi_app(metrics)
    if not settings.metrics_public:
        app = require_key(app, settings)
    try:
        kind = _IPv6Server if ":" in host else _Server
        server = make_server(host, settings.metrics_port, app, kind, _Handler)
    except OSError as error:
        fault = f"METRICS_PORT={settings.metrics_port}: cannot be used on {host} ({error.strerror})"
        raise SettingsError([fault]) from None
    # A run's process must not keep the port of a worker that has died.
    os.register_at_fork(after_in_child=server.socket.close)
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()
    logger.info(
        "metrics at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, settings.metrics_port
    )


def require_key(app: Callable, settings: Settings) -> Callable:
    """Return the WSGI app behind an API key, as a Bearer token or in the header x-api-key.

    Responds 401 without a key or with a wrong one, 429 after too many wrong ones from the same address.
    """
    guard = KeyGuard(settings)

    def guarded(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        key = _sent_key(environ)
        if not key:
            return _refuse(start_response, 401, NO_KEY)
        try:
            if guard.admits(environ.get("REMOTE_ADDR"), key, "/metrics"):
                return app(environ, start_response)
        except TooManyRequests as error:
            return _refuse(start_response, 429, str(error.description))
        return _refuse(start_response, 401, "Wrong API key")

    return guarded


def _sent_key(environ: dict[str, Any]) -> str:
    """Return the key that the request carries; empty without one."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return environ.get("HTTP_X_API_KEY") or bearer


def _refuse(start_response: Callable, code: int, message: str) -> list[bytes]:
    status = HTTPStatus(code)
    header = RETRY_AFTER if status is HTTPStatus.TOO_MANY_REQUESTS else CHALLENGE
    start_response(f"{status.value} {status.phrase}", [header, ("Content-Type", "text/plain")])
    return [f"{message}\n".encode()]


def _disconnect(client: socket.socket) -> None:
    with suppress(OSError):  # it has disconnected itself
        client.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128  # by default 5; the kernel makes further clients wait for seconds

    def __init__(self, *arguments: Any):
        self._free = threading.BoundedSemaphore(MOST_CLIENTS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(REQUEST_SECONDS, partial(_disconnect, request))
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("scrape from %s interrupted: %s", client_address, sys.exception())


class _IPv6Server(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: scrapes come every few seconds."""
