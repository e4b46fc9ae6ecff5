"""A real gunicorn, raw requests, and assertions about errors, for the tests of the web application."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from redis import Redis
from werkzeug.http import HTTP_STATUS_CODES

from jobs.simulation_run import fill_slot
from tests.support import KEY
from webapp.ingest.publish import publish
from webapp.settings import ROOT, Settings
from webapp.store import connect

RANKINGS = "/api/v1/benchmarks/rankings"
KEYED = {"x-api-key": KEY}
GUNICORN = Path(sys.executable).parent / "gunicorn"
# With timeouts of one second.
QUICK = ("--config", "tests/quick_gunicorn.conf.py")


@dataclass(frozen=True)
class Answer:
    """A complete response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running gunicorn of the project."""

    process: subprocess.Popen
    port: int
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def request(
        self, path: str, method: str = "GET", headers: Mapping[str, str] = KEYED, body: Any = None
    ) -> Answer:
        """Send a request on a new connection."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=body, headers=dict(headers))
            return read(connection.getresponse())

    def send(self, raw: bytes) -> Answer:
        """Send raw bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(raw)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return read(response)


def read(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


@contextmanager
def serving(
    environment: Mapping[str, str],
    folder: Path,
    *options: str,
    command: Sequence[str | Path] = (GUNICORN,),
    **more: str,
) -> Iterator[Server]:
    """Run gunicorn with the project's settings until the block ends; it answers when the block begins."""
    port = free_port()
    log_file = folder / f"gunicorn-{port}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env={**clean_environment(), **environment, "HOST": "127.0.0.1", "PORT": str(port), **more},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, log_file)
    try:
        wait_until(lambda: is_up(server), 20)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def is_up(server: Server) -> bool:
    assert server.process.poll() is None, server.log
    with suppress(OSError):
        return server.request("/healthz").status == 200
    return False


def clean_environment() -> dict[str, str]:
    """Return this process's environment without the project's settings."""
    ours = (
        "POSTGRES_", "REDIS_", "API_KEY", "SEED", "LOG_", "HOST", "PORT", "WEB_CONCURRENCY", "SECRET_KEY",
        "URL_PREFIX", "SCRIPT_NAME", "TRUSTED_PROXIES", "FRAME_ANCESTORS", "KEEPALIVE",
    )  # fmt: skip
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Poll until the condition holds; fail the test if it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def assert_error(response: Any, code: int) -> dict[str, Any]:
    """Assert that the response, of Flask's client or ours, is a JSON error of that code; return its body."""
    status = response.status if isinstance(response, Answer) else response.status_code
    body = response.body if isinstance(response, Answer) else response.data
    headers = response.headers
    assert status == code, body[:300]
    assert (headers.get("content-type") or headers.get("Content-Type")) == "application/json"
    error = json.loads(body.decode("ascii"))
    assert set(error) - {"errors"} == {"code", "status", "message"}
    assert (error["code"], error["status"]) == (code, HTTP_STATUS_CODES[code])
    assert isinstance(error["message"], str)
    assert 0 < len(error["message"]) < 500
    return error


def assert_strict(headers: Mapping[str, str]) -> None:
    """Assert that a page with these headers runs no foreign script, and is framed and sniffed by nobody."""
    directives = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert directives["default-src"] == "'none'"
    assert {directives[name] for name in ("frame-ancestors", "base-uri", "object-src")} == {"'none'"}
    assert directives["form-action"] == "'self'"
    assert not re.search("unsafe-(inline|eval)|\\*|http", " ".join(directives.values()))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def show_run(settings: Settings, redis: Redis, number: int, at: datetime | None = None) -> None:
    """Store and publish a run in slot `number`, or at that time, with values that differ between numbers."""
    seeded = replace(settings, seed=number, points_per_run=5)
    with closing(connect(settings)) as conn:
        fill_slot(conn, seeded, at or slot(number), f"job-{number}")
        publish(conn, settings, redis)


def slot(number: int) -> datetime:
    return datetime.fromtimestamp(4_102_473_600 + 600 * number, UTC)


def answered(client: FlaskClient) -> tuple[int, str]:
    """Return the generation and the body of the rankings; both differ between runs of `show_run`."""
    response = client.get(RANKINGS)
    assert response.status_code == 200, response.text
    return int(response.headers["ETag"].strip('"g')), response.text
