"""`make start` in a copy of the project: first start, signals, kills and errors."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jobs.simulate import simulate
from llm_measure.metrics import METRICS
from tests.jobs.system import until
from webapp.settings import ROOT

PARTS = (
    "jobs", "llm_measure", "webapp", "migrations", "tools", "public",
    "wsgi.py", "gunicorn.conf.py", "Makefile", ".env.example",
)  # fmt: skip
LLMS = ("GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet")


class Clone:
    """A copy of the project with the virtual environment of these tests, started through make."""

    def __init__(self, folder: Path):
        self.folder = folder
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        (folder / ".venv").symlink_to(Path(sys.prefix))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder / "start.log"
        self.started: list[subprocess.Popen] = []

    def start(self, log: int | None = None, **changes: str | None) -> subprocess.Popen:
        """`make start` in a separate process group, as in a terminal; its output goes to `log` or `self.log`.

        `changes` are environment variables; None removes one.
        """
        environment = {**os.environ, "POSTGRES_HOST": "", "REDIS_HOST": "", "PORT": str(self.port), **changes}
        with self.log.open("a") as file:
            process = subprocess.Popen(
                ["make", "start", "-o", ".venv/installed-start"],
                cwd=self.folder,
                env={name: value for name, value in environment.items() if value is not None},
                stdout=file if log is None else log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def fail(self, **changes: str) -> tuple[int, str]:
        """The exit code and output of a `make start` that fails."""
        self.log.write_text("")
        return self.start(**changes).wait(timeout=60), self.log.read_text()

    @property
    def key(self) -> str:
        return self.setting("API_KEY")

    def setting(self, name: str) -> str:
        """The value in `.env`."""
        lines = (self.folder / ".env").read_text().splitlines()
        (value,) = (line.removeprefix(f"{name}=") for line in lines if line.startswith(f"{name}="))
        return value

    def rankings(self, host: str = "127.0.0.1") -> dict | None:
        """The API's rankings, once there are any."""
        if not (self.folder / ".env").exists():
            return None
        request = urllib.request.Request(
            f"http://{host}:{self.port}/api/v1/benchmarks/rankings", headers={"x-api-key": self.key}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                rankings = json.load(response)
        except OSError:
            return None
        return rankings if rankings["data"][0]["ttft"] else None

    def use_wrong_key(self) -> None:
        """Send a request with a wrong key."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/benchmarks/rankings", headers={"x-api-key": "wrong"}
        )
        with suppress(OSError):
            urllib.request.urlopen(request, timeout=5).close()

    def processes(self) -> list[psutil.Process]:
        """All processes whose working directory is in this folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd().startswith(str(self.folder)) and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                pass
        return found

    def kill(self) -> None:
        """Kill them all."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self.started:
            started.wait(timeout=30)


@pytest.fixture
def clone(folder, counter):
    made = folder / f"clone {next(counter)}"
    made.mkdir()
    clone = Clone(made)
    yield clone
    clone.kill()


def expected(seed: int) -> dict:
    """The rankings that the formula gives."""
    data = []
    for metric in METRICS.simulated:
        means = {name: float(simulate(name, metric, seed, 1000).mean()) for name in LLMS}
        ranked = sorted(means.items(), key=lambda item: -item[1])
        data.append({metric.name: [{"llm_name": n, "mean_value": round(m, 2)} for n, m in ranked]})
    return {"data": data}


def test_it_serves_the_contract_keeps_its_data_and_leaves_no_process(clone):
    started = clone.start()
    assert until(clone.rankings, 60) == expected(20)
    assert (clone.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert len(clone.setting("SECRET_KEY")) >= 32
    until(lambda: "curl -H" in clone.log.read_text())
    os.killpg(started.pid, signal.SIGINT)
    started.wait(timeout=30)
    until(lambda: not clone.processes(), 10)

    key = clone.key
    started = clone.start(SEED="7")
    until(lambda: clone.rankings() == expected(7), 60)
    assert clone.key == key
    started.terminate()
    started.wait(timeout=30)
    until(lambda: not clone.processes(), 10)


def test_host_and_port_are_read_from_the_env_file(clone):
    (clone.folder / ".env").write_text(f"API_KEY=mine\nHOST=127.0.0.2\nPORT={clone.port}\n")
    clone.start(PORT=None)

    until(lambda: f"ready at   http://127.0.0.2:{clone.port}  " in clone.log.read_text(), 60)
    assert until(lambda: clone.rankings("127.0.0.2")) == expected(20)
    assert clone.rankings("127.0.0.1") is None


def test_it_listens_on_a_unix_socket_which_it_asks_without_a_proxy(clone):
    path = clone.folder / "api.sock"
    clone.start(HOST=f"unix:{path}", http_proxy="http://127.0.0.1:1")

    until(lambda: f"ready at   unix:{path}  " in clone.log.read_text(), 60)


def test_an_env_file_for_compose_works_where_its_hosts_are_unknown(clone):
    (clone.folder / ".env").write_text("API_KEY=1234\nPOSTGRES_PASSWORD=postgres\nPOSTGRES_DB=postgres\n")
    clone.start(POSTGRES_HOST="postgres", REDIS_HOST="redis")

    assert until(clone.rankings, 60) == expected(20)
    assert "POSTGRES_HOST=postgres: unknown host; using an embedded server" in clone.log.read_text()
    assert clone.key == "1234"


def test_after_the_supervisor_was_killed_the_next_start_works(clone):
    clone.start()
    until(clone.rankings, 60)
    supervisor = int((clone.folder / "data" / "lock").read_text())
    os.kill(supervisor, signal.SIGKILL)
    clone.started[0].wait(timeout=30)
    assert clone.processes()

    clone.log.write_text("")
    started = clone.start()
    until(lambda: "ready at" in clone.log.read_text(), 60)
    assert "processes that a killed `make start` has left running" in clone.log.read_text()
    assert "found PostgreSQL" in clone.log.read_text()
    started.terminate()
    started.wait(timeout=30)
    until(lambda: not clone.processes(), 10)


def test_after_everything_was_killed_the_next_start_works(clone):
    clone.start()
    until(clone.rankings, 60)
    clone.kill()
    until(lambda: not clone.processes())

    clone.log.write_text("")
    clone.start()
    until(lambda: "ready at" in clone.log.read_text(), 60)
    assert until(clone.rankings) == expected(20)


def is_worker(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[-2:] == ["-m", "jobs.worker"]
    except psutil.Error:  # it has just exited
        return False


def test_when_one_process_dies_all_are_stopped_with_a_line_and_an_exit_code(clone):
    started = clone.start()
    until(clone.rankings, 60)
    workers = [process for process in clone.processes() if is_worker(process)]
    worker = min(workers, key=lambda process: process.create_time())  # the others are its children
    worker.kill()

    assert started.wait(timeout=30) != 0
    assert "one of api, scheduler, worker exited with code -9; stopped all" in clone.log.read_text()
    until(lambda: not clone.processes(), 10)


def test_it_stops_when_the_reader_of_its_log_exits(clone):
    reader, writer = os.pipe()
    started = clone.start(writer)
    os.close(writer)
    with open(reader) as log:
        next(line for line in log if "ready at" in line)

    clone.use_wrong_key()  # which is logged
    assert started.wait(timeout=60) != 0
    until(lambda: not clone.processes(), 10)


def test_a_second_start_in_the_same_folder_and_a_port_in_use_are_one_line_errors(clone, folder, counter):
    clone.start()
    until(clone.rankings, 60)
    clone.log = clone.folder / "second.log"

    code, output = clone.fail()
    assert code != 0
    assert "make start: already running in this folder (process " in output
    assert "Traceback" not in output

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        made = folder / f"clone {next(counter)}"
        made.mkdir()
        other = Clone(made)
        port = taken.getsockname()[1]
        code, output = other.fail(PORT=str(port))
    assert code != 0
    assert f"make start: 127.0.0.1:{port}: cannot listen there (Address already in use)" in output
    assert "Traceback" not in output
    assert not other.processes()


def test_each_invalid_setting_is_one_line_and_no_server_is_started(clone):
    code, output = clone.fail(SEED="x", POINTS_PER_RUN="0")

    assert code != 0
    assert "setting SEED='x'" in output
    assert "setting POINTS_PER_RUN='0'" in output
    assert "starting" not in output
    assert not clone.processes()


def test_it_works_in_a_folder_whose_path_is_too_long_for_a_socket(folder, counter):
    made = folder / ("long " * 20) / ("path " * 5) / str(next(counter))
    made.mkdir(parents=True)
    clone = Clone(made)
    try:
        started = clone.start()
        assert until(clone.rankings, 60) == expected(20)
        started.terminate()
        started.wait(timeout=30)
        until(lambda: not clone.processes(), 10)
    finally:
        clone.kill()


def test_embedded_servers_that_were_left_running_can_be_stopped(clone):
    start = "from jobs import embedded; embedded.POSTGRES.start(); embedded.REDIS.start()"
    subprocess.run([sys.executable, "-c", start], cwd=clone.folder, check=True)
    assert {process.name() for process in clone.processes()} >= {"postgres", "redis-server"}

    for _ in range(2):
        subprocess.run([sys.executable, "-m", "jobs.embedded", "stop"], cwd=clone.folder, check=True)
        assert not clone.processes()


def test_each_measured_server_adds_a_worker(clone):
    llms = "".join(f"- {{name: m{n}, base_url: 'http://127.0.0.1:9/v{n}', model: m}}\n" for n in (1, 2))
    scenario = "- {name: w, concurrency: 1, requests: 1, interval: 60}\n"
    (clone.folder / "benchmark.yml").write_text(f"llms:\n{llms}workloads:\n{scenario}")

    clone.start(BENCHMARK_FILE="benchmark.yml")

    until(lambda: {"worker.1", "worker.2"} <= set(re.findall(r"worker\.\d", clone.log.read_text())), 60)
    until(lambda: "all 1 requests failed (connect 1)" in clone.log.read_text())
    assert "worker.3" not in clone.log.read_text()
