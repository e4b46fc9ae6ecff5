"""The real processes, and what must hold after each disturbance."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil

from jobs.simulate import simulate
from llm_measure.metrics import METRICS
from tests.support import query
from webapp.settings import ROOT, Settings
from webapp.store import Connection, connect

LLMS = 3
POINTS = 50


class Process(subprocess.Popen):
    """A process whose stderr can be read while it runs."""

    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()


class Processes:
    """Starts processes of the system, and kills them all in the end."""

    def __init__(self, environment: dict[str, str]):
        self.environment = environment
        self._folder = Path(tempfile.mkdtemp(prefix="llmb-logs-"))
        self._all: list[Process] = []
        self._descendants: list[psutil.Process] = []

    def start(self, *arguments: str, **changes: str) -> Process:
        log_file = self._folder / f"{len(self._all)}.log"
        with log_file.open("w") as log:
            process = Process(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment, **changes},
                stderr=log,
                start_new_session=True,
            )
        process.log_file = log_file
        self._all.append(process)
        return process

    def scheduler(self, *arguments: str, **changes: str) -> Process:
        return self.start("-m", "jobs.scheduler", *arguments, **changes)

    def worker(self, **changes: str) -> Process:
        return self.start("-m", "jobs.worker", **changes)

    def work_horse(self, worker: Process) -> psutil.Process:
        """The process in which the worker runs a job; waits for it."""

        def find() -> psutil.Process | None:
            for child in psutil.Process(worker.pid).children():
                if os.getpgid(child.pid) == child.pid:
                    self._descendants.append(child)
                    return child
            return None

        return until(find)

    def kill_all(self) -> None:
        for process in self._all:
            if process.poll() is None:
                self._descendants += psutil.Process(process.pid).children(recursive=True)
            # The group of a dead process may be alive.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            print(process.log, file=sys.stderr)  # pytest shows it if the test fails
        for process in self._descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._all.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


def until(found: Callable[[], object], seconds: float = 30) -> object:
    """Return what `found` returns, as soon as that is true; fail the test if it is not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {found.__name__} {found.__doc__ or ''}")


def finished_slots(conn: Connection) -> list[int]:
    """The slots (Unix seconds) in which every LLM's run is finished."""
    rows = query(
        conn,
        "SELECT extract(epoch FROM slot)::bigint FROM runs WHERE status = 'finished'"
        " GROUP BY slot HAVING count(*) = %s ORDER BY slot",
        LLMS,
    )
    return [slot for (slot,) in rows]


def assert_exactly_once(conn: Connection, slots: list[int]) -> None:
    """The slots, and no others, have one finished run of each LLM with exactly its points and rollups."""
    rows = query(
        conn,
        """
        SELECT extract(epoch FROM slot)::bigint, status, points,
            (SELECT count(*) FROM points WHERE points.run_id = runs.id AND points.recorded_at = runs.slot),
            (SELECT count(*) FROM points WHERE points.run_id = runs.id),
            (SELECT count(*) FROM rollups WHERE rollups.run_id = runs.id)
        FROM runs ORDER BY slot, llm_id
        """,
    )
    each = len(METRICS.simulated) * POINTS
    assert rows == [(slot, "finished", each, each, each, 4) for slot in slots for _ in range(LLMS)]


def assert_answer_is_right(client, conn: Connection, seed: int = 20) -> None:
    """The API returns the rankings that the formula gives, of the newest generation."""
    response = client.get("/api/v1/benchmarks/rankings")
    assert response.status_code == 200, response.data
    ((generation,),) = query(conn, "SELECT value FROM generation")
    assert response.headers["ETag"] == f'"g{generation}"'
    assert query(conn, "SELECT count(*) FROM runs WHERE status = 'finished' AND generation IS NULL") == [(0,)]
    for metric, ranking in zip(METRICS.simulated, response.json["data"], strict=True):
        expected = {
            name: round(float(simulate(name, metric, seed, POINTS).mean()), 2)
            for (name,) in query(conn, "SELECT name FROM llms WHERE simulated")
        }
        assert {row["llm_name"]: row["mean_value"] for row in ranking[metric.name]} == expected


def someone_waits_for_a_lock(conn: Connection) -> bool:
    """Whether a run has reached the statement at which the test's lock stops it."""
    return bool(query(conn, "SELECT FROM pg_locks WHERE NOT granted"))


class Blocker:
    """Holds a lock of the database, in a separate connection, until it is released."""

    def __init__(self, settings: Settings, statement: str):
        self._conn = connect(settings)
        with self._conn.cursor() as cursor:
            cursor.execute(statement)

    def release(self) -> None:
        self._conn.close()

    def __enter__(self) -> "Blocker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def now_slot() -> int:
    return int(time.time())


def closing_connect(settings: Settings):
    return closing(connect(settings))
