"""The system in several processes, each of which reaches PostgreSQL and Redis through separate proxies."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil
from flask_migrate import upgrade

from bench.faults.proxy import Proxy, running_loop
from jobs.embedded import EmbeddedPostgres, EmbeddedRedis
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from webapp import create_app
from webapp.settings import ROOT, Settings

KEY = "the-key-of-the-chaos-run"
SECRET = "the-secret-that-signs-the-cookies-of-the-chaos-run"
POINTS = 20
INTERVAL = 1  # seconds between two slots of the simulation
MEASUREMENT_INTERVAL = 3
STOP_SECONDS = 25
COMMANDS = {
    "scheduler": [sys.executable, "-m", "jobs.scheduler"],
    "worker": [sys.executable, "-m", "jobs.worker"],
    "api": [sys.executable, "-m", "webapp.serve"],
}
SIZES = {"scheduler": 2, "worker": 3, "api": 1}
BENCHMARK = """
llms:
  - {{name: Measured, base_url: '{url}', model: mock}}
workloads:
  - name: chat
    input_tokens: 8
    output_tokens: 4
    concurrency: 2
    requests: 4
    timeout: 5
    interval: {minutes}
"""


class Member:
    """One process of the system with its two proxies; started again by `start` after it has died."""

    def __init__(self, role: str, environment: dict[str, str], links: dict[str, Proxy], log: IO[bytes]):
        self.role = role
        self.links = links
        self._environment = environment
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process unless it runs."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    COMMANDS[self.role],
                    cwd=ROOT,
                    env=self._environment,
                    stdout=self._log,
                    stderr=self._log,
                    start_new_session=True,
                )

    def send(self, number: signal.Signals) -> None:
        """Send the signal to the process alone."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """Send the signal to the process and all its descendants."""
        for process in self.descendants():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        self.send(number)

    def descendants(self) -> list[psutil.Process]:
        """Return all children of the process, and their children."""
        with self._lock:
            try:
                return psutil.Process(self._process.pid).children(recursive=True) if self._process else []
            except psutil.NoSuchProcess:
                return []

    def wait(self) -> None:
        """Wait until the process has ended; kill it if it takes too long."""
        assert self._process is not None
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.send_all(signal.SIGKILL)
            self._process.wait()


class Cluster:
    """Servers, proxies and processes; `stop` ends them all."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="llmb-"))
        self.postgres = EmbeddedPostgres(self.folder / "postgres", options=("-c", "max_connections=200"))
        self.redis = EmbeddedRedis(self.folder / "redis")
        self.postgres.start()
        self.redis.start()
        self._mock = running_mock_server(Behaviour(ttft=0.02, itl=0.002))
        file = self.folder / "benchmark.yml"
        file.write_text(BENCHMARK.format(url=self._mock.__enter__(), minutes=MEASUREMENT_INTERVAL / 60))
        self.port = _free_port()
        self._environment = {
            **os.environ,
            **self.postgres.environment,
            **self.redis.environment,
            "API_KEY": KEY,
            "SECRET_KEY": SECRET,
            "SEED": "",  # each run has other values, so that a wrong response shows
            "POINTS_PER_RUN": str(POINTS),
            "SCHEDULE_INTERVAL": str(INTERVAL / 60),
            "RETRY_DELAY": "2",
            "MAX_RETRIES": "5",
            "BENCHMARK_FILE": str(file),
            "WEB_CONCURRENCY": "2",
            "PORT": str(self.port),
            "LOG_LEVEL": "INFO",
        }
        self.settings = Settings.from_env(self._environment)
        self._migrate()
        self._loop = running_loop()
        self.members = [self._member(role, n) for role, count in SIZES.items() for n in range(count)]

    def of(self, role: str) -> list[Member]:
        """Return the members of that role."""
        return [member for member in self.members if member.role == role]

    def start(self) -> None:
        """Start all processes."""
        for member in self.members:
            member.start()

    def stop(self, keep_logs: bool) -> None:
        """Stop everything; keep the logs of the processes if asked to."""
        for member in self.members:
            member.send_all(signal.SIGCONT)
            member.send(signal.SIGTERM)
        for member in self.members:
            member.wait()
        self._mock.__exit__(None, None, None)
        self.redis.stop()
        self.postgres.stop()
        if not keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _member(self, role: str, number: int) -> Member:
        postgres = Proxy(self._loop, f"{self.postgres.host}/.s.PGSQL.5432")
        redis = Proxy(self._loop, str(self.redis.socket))
        environment = {
            **self._environment,
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(postgres.port),
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(redis.port),
        }
        log = open(self.folder / f"{role}-{number}.log", "wb")  # noqa: SIM115  (the process's, until it ends)
        return Member(role, environment, {"postgres": postgres, "redis": redis}, log)

    def _migrate(self) -> None:
        app = create_app(self.settings)
        with app.app_context():
            upgrade()
            app.extensions["sqlalchemy"].engine.dispose()


def until(found: Callable[[], object], seconds: float) -> bool:
    """Return True as soon as `found` returns something true, False if it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found():
            return True
        time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
