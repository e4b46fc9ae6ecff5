"""/healthz in every form in which probes ask, while PostgreSQL hangs and all threads wait for it."""

import signal
import time
from contextlib import ExitStack

import psutil
import pytest

from tests.support import KEY
from tests.web import RANKINGS, serving
from tests.webapp.test_web_worker import client

PREFIX = "/llm"
REQUESTS = 40
SECONDS = 1
PROBES = {
    "a request": b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "with the prefix": b"GET /llm/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "HEAD": b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
    "an absolute URL": b"GET http://x/llm/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "with arguments": b"GET /healthz?probe=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.fixture
def hanging_server(own_postgres, own_database, server_environment, folder):
    """A server under a prefix, all of whose threads wait for a PostgreSQL that has stopped responding."""
    environment = {name.upper(): value for name, value in own_database.items()}
    postmaster = psutil.Process(int((own_postgres.folder / "postmaster.pid").read_text().split()[0]))
    with (
        serving({**server_environment, **environment}, folder, URL_PREFIX=PREFIX) as server,
        ExitStack() as stack,
    ):
        server.request(f"{PREFIX}/readyz")  # opens a connection
        hanging = [postmaster, *postmaster.children(recursive=True)]
        for process in hanging:
            process.send_signal(signal.SIGSTOP)
            stack.callback(process.send_signal, signal.SIGCONT)
        request = f"GET {PREFIX}{RANKINGS} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\n\r\n".encode()
        for _ in range(REQUESTS):
            stack.enter_context(client(server, request))
        yield server


def test_liveness_answers_within_a_second(hanging_server):
    for name, probe in PROBES.items():
        start = time.monotonic()
        with client(hanging_server, probe) as prober:
            assert b" 200 OK\r\n" in prober.recv(100), name
        assert time.monotonic() - start < SECONDS, name
