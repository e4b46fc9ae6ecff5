"""What the tests of the web application share: a real gunicorn, raw requests, and errors of the one shape."""

import http.client
import json
import os
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


@dataclass(frozen=True)
class Answer:
    """A response read to its end; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A gunicorn of the project that runs until the test ends."""

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
        """One request on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=body, headers=dict(headers))
            return read(connection.getresponse())

    def send(self, raw: bytes) -> Answer:
        """Whatever bytes, as they are."""
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
    """gunicorn with the project's own settings file, up and answering."""
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
    """This process's environment without anything that sets the project."""
    ours = ("POSTGRES_", "REDIS_", "API_KEY", "SEED", "LOG_", "HOST", "PORT", "WEB_CONCURRENCY", "SECRET_KEY")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Poll until the condition holds; fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.01)


def assert_error(response: Any, code: int) -> dict[str, Any]:
    """The response, of Flask's client or ours, is that error in the one shape; returns its body."""
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


def show_run(settings: Settings, redis: Redis, number: int) -> None:
    """Store and show slot `number`, whose values differ from those of every other number."""
    seeded = replace(settings, seed=number, points_per_run=5)
    with closing(connect(settings)) as conn:
        fill_slot(conn, seeded, slot(number), f"job-{number}")
        publish(conn, redis)


def slot(number: int) -> datetime:
    return datetime.fromtimestamp(1_800_000_000 + 600 * number, UTC)


def answered(client: FlaskClient) -> tuple[int, str]:
    """The generation and the ranking that the client is sent; each number of `show_run` has its own."""
    response = client.get(RANKINGS)
    assert response.status_code == 200, response.text
    return int(response.headers["ETag"].strip('"g')), response.text
