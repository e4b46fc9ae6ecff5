"""`flask measure` and `flask mock-server` as a user runs them: without settings, unless they are to store."""

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_measure.metrics import METRICS
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.report.explain import explain
from tests.support import query
from tests.web import clean_environment, free_port
from webapp.settings import ROOT

FLASK = Path(sys.executable).parent / "flask"
FIGURES = {"unit", "n", "mean", "stddev", "min", "max", "p50", "p90", "p95", "p99"}


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002)) as url:
        yield url


@pytest.fixture(scope="module")
def without_settings(tmp_path_factory) -> dict[str, str]:
    """An environment in which no setting stands, whatever the folder's .env says."""
    return {**clean_environment(), "API_KEY": "", "POSTGRES_HOST": "", "REDIS_HOST": ""}


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [FLASK, *arguments], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def measure(without_settings, url):
    """Runs `flask measure` on the module's mock server; options of the test come last and win."""

    def run(*options: str, **environment: str) -> subprocess.CompletedProcess:
        asked = ["--base-url", url, "--model", "m", "--output-tokens", "4", "--requests", "8", *options]
        return subprocess.run(
            [FLASK, "measure", *asked], cwd=ROOT, env={**without_settings, **environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def test_json_has_its_stable_form_and_needs_no_settings(measure):
    done = measure("--concurrency", "1,4", "--slo", "ttft=5", "--format", "json", "--seed", "1")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [level["concurrency"] for level in told["levels"]] == [1, 4]
    for level in told["levels"]:
        assert (level["pattern"], level["requests"], level["errors"]) == ("closed", 8, {})
        assert isinstance(level["valid"], bool)
        assert level["invalid_reason"] is None or not level["valid"]
        assert level["duration_s"] > 0
        assert level["client_cpu_s"] > 0
        assert set(level["send_lag_ms"]) == {"p50", "p99", "max"}
        assert list(level["metrics"]) == [metric.name for metric in METRICS]
        for metric in METRICS:
            figures = level["metrics"][metric.name]
            assert set(figures) == FIGURES
            assert figures["unit"] == metric.unit
        assert (level["metrics"]["ttft"]["n"], level["metrics"]["itl"]["n"]) == (8, 24)
        assert 0.02 <= level["metrics"]["ttft"]["p50"] <= level["metrics"]["ttft"]["p99"]
        assert level["metrics"]["goodput"]["mean"] == 1


def test_an_open_loop_is_told_by_its_rate(measure):
    done = measure("--rate", "50", "--arrival", "constant", "--format", "json")

    (level,) = json.loads(done.stdout)["levels"]
    assert (level["pattern"], level["rate"]) == ("constant", 50)
    assert level["metrics"]["goodput"]["n"] == 0
    assert level["metrics"]["goodput"]["mean"] is None


def test_csv_has_a_line_for_each_level_and_metric_and_may_go_to_a_file(measure, tmp_path):
    out = tmp_path / "levels.csv"
    done = measure("--concurrency", "1,2", "--format", "csv", "--out", str(out))

    assert (done.returncode, done.stdout) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == 2 * len(METRICS)
    assert {row["load"] for row in rows} == {"1", "2"}
    assert float(rows[0]["p50"]) >= 0.02


def test_with_csv_the_reasons_of_failures_are_told_on_stderr(measure):
    done = measure("--base-url", f"http://127.0.0.1:{free_port()}/v1", "--requests", "3", "--format", "csv")

    assert done.returncode == 1
    assert re.search(r"^3 x connect: .*refused", done.stderr, re.MULTILINE)


def test_a_table_tells_each_metric(measure):
    done = measure("--concurrency", "2", "--processes", "2")

    assert done.returncode == 0, done.stderr
    assert "concurrency 2: 8 requests, 0 failed" in done.stdout
    for metric in METRICS:
        assert re.search(rf"\b{metric.name}\b.*\b{re.escape(metric.unit)}", done.stdout)


def test_a_sweep_measures_several_levels(measure):
    done = measure("--sweep", "--format", "json")

    levels = [level["concurrency"] for level in json.loads(done.stdout)["levels"]]
    assert levels[:2] == [1, 2]


def test_an_endpoint_without_one_right_answer_ends_it_with_1_and_is_told(measure):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    done = measure("--base-url", f"http://127.0.0.1:{port}/v1", "--requests", "2")

    assert done.returncode == 1
    assert "2 x connect: " in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--base-url", ""], "--base-url"),
        (["--base-url", "localhost"], "base_url='localhost'"),
        (["--concurrency", "1,x"], "1,x"),
        (["--concurrency", "0"], "concurrency=0"),
        (["--concurrency", "1", "--rate", "1"], "--concurrency and --rate"),
        (["--duration", "1"], "--requests and --duration"),
        (["--slo", "ttft"], "ttft"),
        (["--slo", "speed=1"], "slo=speed"),
        (["--api-key-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE"),
        (["--dataset", "/nowhere.jsonl"], "/nowhere.jsonl"),
        (["--dataset", "x", "--input-tokens", "5"], "--input-tokens"),
        (["--extra-body", "[]"], "object in JSON"),
        (["--out", "/nowhere/x"], "--out"),
        (["--format", "xml"], "xml"),
        (["--nope"], "--nope"),
        (["--arrival", "constant"], "--rate"),
        (["--processes", "0"], "--processes"),
        (["--save"], "--llm"),
        (["--save", "--llm", "nope"], "nope"),
    ],
)
def test_wrong_options_end_it_with_2_and_are_named(app, options, word):
    asked = ["measure", "--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--requests", "8", *options]
    done = app.test_cli_runner().invoke(args=asked)

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert word in line


def test_what_is_to_be_stored_needs_settings(measure):
    done = measure("--save", "--llm", "GPT-4o")

    assert (done.returncode, done.stdout) == (2, "")
    assert "setting POSTGRES_HOST=''" in done.stderr


def test_the_key_comes_from_the_environment_and_is_never_shown(measure):
    with running_mock_server(Behaviour(ttft=0, itl=0, api_key="sesame")) as guarded:
        right = measure("--base-url", guarded, "--api-key-env", "KEY", "--format", "json", KEY="sesame")
        wrong = measure("--base-url", guarded, "--api-key-env", "KEY", KEY="open")

    assert right.returncode == 0
    assert "sesame" not in right.stdout + right.stderr
    assert wrong.returncode == 1
    assert "8 x http_4xx: 401" in wrong.stdout


@pytest.mark.parametrize("processes", ["1", "2"])
def test_ctrl_c_shows_what_was_measured_so_far(without_settings, url, processes):
    options = [
        "--base-url",
        url,
        "--model",
        "m",
        "--output-tokens",
        "4",
        "--duration",
        "60",
        "--format",
        "json",
    ]
    many = ["--concurrency", "2", "--processes", processes]
    with started("measure", *options, *many, **without_settings) as process:
        line = process.stderr.readline()  # the first of the plain lines that tell how it goes
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)

    assert re.match(r"concurrency 2: \d+ sent, \d+ ended, 0 failed, \d s", line)
    (level,) = json.loads(out)["levels"]
    assert level["requests"] > 0
    assert set(level["errors"]) <= {"cancelled"}
    assert process.returncode == 0


def test_the_explanation_tells_every_metric_and_three_other_tools(measure):
    done = measure("--explain")

    assert done.stdout == explain() + "\n"
    assert set(HERE) == set(ELSEWHERE) == {metric.name for metric in METRICS}
    for metric in METRICS:
        assert metric.name in done.stdout
        assert set(ELSEWHERE[metric.name]) == {"vLLM", "GuideLLM", "AIPerf"}


def test_a_saved_level_is_in_the_database(measure, environment, conn):
    done = measure("--save", "--llm", "GPT-4o", "--concurrency", "2", **environment)

    assert done.returncode == 0, done.stderr
    assert "saved as workload" in done.stderr
    assert query(conn, "SELECT source, status FROM runs") == [("measurement", "finished")]
    ((requests,),) = query(conn, "SELECT count(*) FROM requests")
    assert requests == 10


def test_other_commands_still_say_what_settings_are_missing(without_settings):
    for command in (["llms", "list"], ["db", "current"], ["run"]):
        done = subprocess.run(
            [FLASK, *command], cwd=ROOT, env=without_settings, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert "setting API_KEY=''" in done.stderr


class TestTheMockServer:
    def test_serves_as_its_options_say_until_it_is_stopped(self, without_settings, measure):
        options = ["--port", "0", "--ttft", "0.1", "--output-tokens", "2"]
        with started("mock-server", *options, **without_settings) as process:
            found = re.match(r"serving (http://127\.0\.0\.1:\d+/v1)\n", process.stdout.readline())
            done = measure("--base-url", found[1], "--format", "json")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)

        (level,) = json.loads(done.stdout)["levels"]
        assert 0.1 <= level["metrics"]["ttft"]["p50"] < 0.2
        assert level["metrics"]["itl"]["n"] == 8
        assert process.returncode == 0

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            (["--ttft", "-1"], "ttft=-1"),
            (["--error-rate", "2"], "error_rate=2"),
            (["--port", "99999"], "99999"),
        ],
    )
    def test_refuses_what_it_cannot_do(self, without_settings, options, word):
        done = subprocess.run(
            [FLASK, "mock-server", *options], cwd=ROOT, env=without_settings, capture_output=True, text=True,
            timeout=30, check=False,
        )  # fmt: skip

        assert done.returncode == 2
        assert word in done.stderr

    def test_says_so_if_its_port_is_taken(self, without_settings):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = subprocess.run(
                [FLASK, "mock-server", "--port", port], cwd=ROOT, env=without_settings, capture_output=True,
                text=True, timeout=30, check=False,
            )  # fmt: skip

        assert done.returncode == 2
        assert f"--port {port}: cannot be used" in done.stderr


def test_the_web_application_loads_nothing_of_it_at_its_start(environment):
    code = "import sys, wsgi; print({'uvloop', 'httptools', 'rich.table'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert done.stdout == "set()\n"
