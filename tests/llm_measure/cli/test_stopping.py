"""Ctrl-C and SIGTERM end `llm-measure run`, which reports what was measured until then."""

import json
import re
import shlex
import signal
import socket
import sys
from contextlib import ExitStack
from itertools import repeat

import psutil
import pytest

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.interpreter import python
from tests.llm_measure.scripted import head, scripted
from tests.web import wait_until

# Writes its process id to a file, and then does nothing.
HANGING = (
    "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
)


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002)) as url:
        yield url


def running(url: str, *options: str):
    asked = ["--base-url", url, "--model", "m", "--output-tokens", "4", "--duration", "60"]
    asked += ["--concurrency", "2", "--format", "json"]
    return python("-m", "llm_measure", "run", *asked, *options)


@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGINT, "1"), (signal.SIGINT, "2"), (signal.SIGTERM, "2")]
)
def test_what_was_measured_is_reported(url, number, processes):
    with running(url, "--processes", processes) as process:
        line = process.stderr.readline()  # of the progress
        signal_all(process.pid, number)
        out, err = process.communicate(timeout=20)

    assert re.match(r"concurrency 2: \d+ sent, \d+ ended, 0 failed, \d s", line)
    (level,) = json.loads(out)["levels"]
    assert level["requests"] > 0
    assert set(level["errors"]) <= {"cancelled"}
    assert re.match(r"Interrupted after \d\.\d s: ", level["warnings"][0])
    assert "Traceback" not in err
    assert process.returncode == 0


def test_a_server_that_sends_faster_than_the_client_reads_does_not_keep_it_from_stopping():
    flood = [
        head("200 OK", "text/event-stream", "transfer-encoding: chunked"),
        repeat(10_000 * b"1\r\na\r\n"),
    ]
    with scripted(*flood) as server, running(server.url) as process:
        wait_until(lambda: server.requests, 20)
        signal_all(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)

    (level,) = json.loads(out)["levels"]
    assert set(level["errors"]) <= {"cancelled", "malformed"}
    assert "Traceback" not in err
    assert process.returncode == 1


def test_a_probe_that_has_no_answer_ends():
    with scripted(60.0) as server, running(server.url) as process:
        wait_until(lambda: server.requests, 20)
        signal_all(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)

    (level,) = json.loads(out)["levels"]
    assert (level["valid"], level["prompt"]["problem"]) == (False, "stopped")
    assert "Traceback" not in err
    assert process.returncode == 1


@pytest.mark.parametrize("command", [("run", "--no-probe"), ("run",), ("check",)], ids=" ".join)
def test_a_command_for_the_key_that_does_not_end_is_ended(tmp_path, command):
    started = tmp_path / "started"
    hanging = shlex.join([sys.executable, "-c", HANGING, str(started)])
    options = ["--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--token-command", hanging]
    with python("-m", "llm_measure", *command, *options) as process:
        wait_until(lambda: started.exists() and started.read_text(), 20)
        process.send_signal(signal.SIGINT)  # a terminal's does not reach the command's session either
        out, err = process.communicate(timeout=20)

    assert (out, err.strip(), process.returncode) == ("", "Aborted!", 1)
    wait_until(lambda: not psutil.pid_exists(int(started.read_text())))


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_level_that_is_still_connecting_ends(processes):
    with ExitStack() as stack:
        port = deaf_port(stack)
        process = stack.enter_context(running(f"http://127.0.0.1:{port}/v1", "--processes", processes))
        wait_until(lambda: is_connecting(process.pid), 20)
        signal_all(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)

    (level,) = json.loads(out)["levels"]
    assert (level["requests"], level["valid"]) == (0, False)
    assert "Traceback" not in err
    assert process.returncode == 1


def signal_all(pid: int, number: signal.Signals) -> None:
    """Send the signal to the process and its children, as a terminal or a service manager does."""
    process = psutil.Process(pid)
    for each in [*process.children(recursive=True), process]:
        each.send_signal(number)


def deaf_port(stack: ExitStack) -> int:
    """A port at which connections stay half open: nobody accepts, and the queue is full."""
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(2):
        filling = stack.enter_context(socket.socket())
        filling.setblocking(False)
        filling.connect_ex(listening.getsockname())
    return listening.getsockname()[1]


def is_connecting(pid: int) -> bool:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return any(
        connection.status == psutil.CONN_SYN_SENT
        for each in family
        for connection in each.net_connections("tcp")
    )
