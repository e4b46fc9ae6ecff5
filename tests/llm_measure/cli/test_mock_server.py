import json
import re
import signal
import socket

import pytest

from tests.llm_measure.cli.command import invoke
from tests.llm_measure.interpreter import python


def test_it_serves_as_its_options_say_until_it_is_stopped():
    options = ["--port", "0", "--ttft", "0.1", "--output-tokens", "2"]
    with python("-m", "llm_measure", "mock-server", *options) as process:
        found = re.match(r"serving (http://127\.0\.0\.1:\d+/v1)\n", process.stdout.readline())
        asked = [
            "--base-url",
            found[1],
            "--model",
            "m",
            "--requests",
            "8",
            "--format",
            "json",
            "--with-records",
        ]
        done = invoke("run", *asked)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)

    (level,) = json.loads(done.stdout)["levels"]
    assert 0.1 <= level["metrics"]["ttft"]["min"] < 0.2
    assert {record["output_tokens"] for record in level["records"]} == {2}
    assert process.returncode == 0


def test_ctrl_c_ends_it_in_the_middle_of_a_response():
    with python("-m", "llm_measure", "mock-server", "--port", "0", "--ttft", "60", "--role-first") as process:
        port = int(re.match(r"serving http://127\.0\.0\.1:(\d+)", process.stdout.readline())[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            body = b'{"stream": true}'
            head = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n"
            connection.sendall(head % len(body) + body)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=10)

    assert (process.returncode, stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--ttft", "-1"], "ttft=-1"),
        (["--error-rate", "2"], "error_rate=2"),
        (["--servers", "0"], "servers=0: must be from 1 to 100,000"),
        (["--servers", "9" * 30], "servers=999"),
        (["--service-cv", "nan"], "service_cv=nan: must be from 0 to 10"),
        (["--port", "99999"], "99999"),
        (["--api-key-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE: environment variable not set or empty"),
    ],
)
def test_wrong_options_are_reported_in_one_line(options, word):
    done = invoke("mock-server", *options)

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert word in line


def test_a_port_in_use_is_reported():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = invoke("mock-server", "--port", port)

    assert done.exit_code == 2
    assert f"--port {port}: cannot be used" in done.stderr
