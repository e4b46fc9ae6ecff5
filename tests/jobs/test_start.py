"""`make start` as a newcomer meets it: a copy of the project, a port, signals, and what a kill leaves."""

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

from jobs.embedded import EmbeddedRedis, EmbeddedServerError
from jobs.simulate import simulate
from llm_measure.metrics import METRICS
from tests.jobs.system import until
from webapp.settings import ROOT

PARTS = ("jobs", "webapp", "migrations", "wsgi.py", "gunicorn.conf.py", "Makefile", ".env.example", "public")
LLMS = ("GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet")


class Clone:
    """A copy of the project with the virtual environment of these tests, started through make."""

    def __init__(self, folder: Path):
        self.folder = folder
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        shutil.copy(ROOT / "requirements-dev.txt", folder)
        (folder / ".venv").symlink_to(Path(sys.prefix))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder / "start.log"
        self.started: list[subprocess.Popen] = []

    def start(self, log: int | None = None, **environment: str) -> subprocess.Popen:
        """`make start` in a process group of its own, as a terminal would, into `log` or its file."""
        hosts = {"POSTGRES_HOST": "", "REDIS_HOST": ""}
        process = subprocess.Popen(
            ["make", "start", "-o", ".venv/installed"],
            cwd=self.folder,
            env={**os.environ, **hosts, "PORT": str(self.port), **environment},
            stdout=self.log.open("a") if log is None else log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def fail(self, **environment: str) -> tuple[int, str]:
        """The exit status and output of a `make start` that cannot work."""
        self.log.write_text("")
        return self.start(**environment).wait(timeout=60), self.log.read_text()

    @property
    def key(self) -> str:
        return self.setting("API_KEY")

    def setting(self, name: str) -> str:
        """What `.env` says."""
        lines = (self.folder / ".env").read_text().splitlines()
        (value,) = (line.removeprefix(f"{name}=") for line in lines if line.startswith(f"{name}="))
        return value

    def rankings(self) -> dict | None:
        """The API's answer, once it ranks something."""
        if not (self.folder / ".env").exists():
            return None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/benchmarks/rankings", headers={"x-api-key": self.key}
        )
        try:
            answer = json.load(urllib.request.urlopen(request, timeout=5))
        except OSError:
            return None
        return answer if answer["data"][0]["ttft"] else None

    def processes(self) -> list[psutil.Process]:
        """Whatever runs from this folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd().startswith(str(self.folder)) and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                pass
        return found

    def end(self) -> None:
        """Kill whatever runs from this folder."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture
def clone(folder, counter):
    made = folder / f"clone {next(counter)}"
    made.mkdir()
    clone = Clone(made)
    yield clone
    clone.end()


def expected(seed: int) -> dict:
    """The rankings that the formula gives."""
    data = []
    for metric in METRICS.simulated:
        means = {name: float(simulate(name, metric, seed, 1000).mean()) for name in LLMS}
        ranked = sorted(means.items(), key=lambda item: -item[1])
        data.append({metric.name: [{"llm_name": n, "mean_value": round(m, 2)} for n, m in ranked]})
    return {"data": data}


def test_it_answers_the_contract_keeps_its_data_and_leaves_no_process(clone):
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


def test_an_env_file_from_before_the_page_is_given_a_secret_key_and_keeps_the_rest(clone):
    (clone.folder / ".env").write_text("API_KEY=mine\nSEED=7")
    os.utime(clone.folder / ".env", (0, 0))

    subprocess.run(["make", ".env", "-o", ".venv/installed"], cwd=clone.folder, check=True)
    first = clone.setting("SECRET_KEY")
    os.utime(clone.folder / ".env", (0, 0))
    subprocess.run(["make", ".env", "-o", ".venv/installed"], cwd=clone.folder, check=True)

    assert len(first) >= 32
    assert (clone.setting("API_KEY"), clone.setting("SEED")) == ("mine", "7")
    assert clone.setting("SECRET_KEY") == first


def test_after_a_kill_of_the_supervisor_the_next_start_works(clone):
    clone.start()
    until(clone.rankings, 60)
    supervisor = int((clone.folder / "data" / "lock").read_text())
    os.kill(supervisor, signal.SIGKILL)
    clone.started[0].wait(timeout=30)
    assert clone.processes()

    clone.log.write_text("")
    started = clone.start()
    until(lambda: "ready at" in clone.log.read_text(), 60)
    assert "that a killed `make start` has left" in clone.log.read_text()
    assert "found Postgres" in clone.log.read_text()
    started.terminate()
    started.wait(timeout=30)
    until(lambda: not clone.processes(), 10)


def test_after_a_kill_of_everything_the_next_start_works(clone):
    clone.start()
    until(clone.rankings, 60)
    clone.end()
    until(lambda: not clone.processes())

    clone.log.write_text("")
    clone.start()
    until(lambda: "ready at" in clone.log.read_text(), 60)
    assert until(clone.rankings) == expected(20)


def is_worker(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[-2:] == ["-m", "jobs.worker"]
    except psutil.Error:  # ended meanwhile
        return False


def test_a_process_that_ends_by_itself_ends_all_with_a_line_and_a_code(clone):
    started = clone.start()
    until(clone.rankings, 60)
    workers = [process for process in clone.processes() if is_worker(process)]
    worker = min(workers, key=lambda process: process.create_time())  # the others are its children
    worker.kill()

    assert started.wait(timeout=30) != 0
    assert "ended by itself" in clone.log.read_text()
    until(lambda: not clone.processes(), 10)


def test_it_ends_when_nobody_reads_its_log_any_more(clone):
    reader, writer = os.pipe()
    started = clone.start(writer)
    os.close(writer)
    with open(reader) as log:
        next(line for line in log if "ready at" in line)

    assert started.wait(timeout=60) != 0
    until(lambda: not clone.processes(), 10)


def test_a_second_start_in_the_same_folder_and_a_taken_port_are_one_line_each(clone, folder, counter):
    clone.start()
    until(clone.rankings, 60)
    clone.log = clone.folder / "second.log"

    code, output = clone.fail()
    assert code != 0
    assert "already running from this folder" in output
    assert "Traceback" not in output

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        made = folder / f"clone {next(counter)}"
        made.mkdir()
        other = Clone(made)
        code, output = other.fail(PORT=str(taken.getsockname()[1]))
    assert code != 0
    assert "cannot be used" in output
    assert "Traceback" not in output
    assert not other.processes()


def test_each_broken_setting_is_a_line_and_no_server_is_started(clone):
    code, output = clone.fail(SEED="x", POINTS_PER_RUN="0")

    assert code != 0
    assert "setting SEED='x'" in output
    assert "setting POINTS_PER_RUN='0'" in output
    assert "starting" not in output
    assert not clone.processes()


def test_it_works_in_a_folder_whose_path_is_longer_than_a_sockets_may_be(folder, counter):
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
        clone.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_redis_listens_in_no_folder_of_another_user(folder):
    redis = EmbeddedRedis(folder / ("long " * 20) / "redis")
    redis.socket.parent.mkdir()
    os.chown(redis.socket.parent, 65534, 65534)
    try:
        with pytest.raises(EmbeddedServerError, match="belongs to another user"):
            redis.start()
    finally:
        redis.socket.parent.rmdir()


def test_with_a_benchmark_file_there_is_a_worker_more_for_each_server(clone):
    llms = "".join(f"- {{name: m{n}, base_url: 'http://127.0.0.1:9/v{n}', model: m}}\n" for n in (1, 2))
    scenario = "- {name: w, concurrency: 1, requests: 1, interval: 60}\n"
    (clone.folder / "benchmark.yml").write_text(f"llms:\n{llms}workloads:\n{scenario}")

    clone.start(BENCHMARK_FILE="benchmark.yml")

    until(lambda: {"worker.1", "worker.2"} <= set(re.findall(r"worker\.\d", clone.log.read_text())), 60)
    until(lambda: "all 1 requests failed (connect 1)" in clone.log.read_text())
    assert "worker.3" not in clone.log.read_text()
