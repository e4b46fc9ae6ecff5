"""One level of many streams, measured by one worker, by two and by four, which share it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.harness import Row
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from webapp.ingest.persist import rederive
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import tasks
from webapp.queue.enqueue import enqueue_measurement
from webapp.queue.queues import runs_queue
from webapp.redis import queue_redis
from webapp.settings import ROOT, Settings
from webapp.store import connect

STREAMS, ROUNDS = 4000, 3
# Gaps are long enough for two processors to keep up with servers, clients, database and queue.
TTFT, ITL, TOKENS = 2.0, 1.0, 5
WORKERS = (1, 2, 4)
SERVERS = 2  # processes, which share a port
COMPARED = ("ttft", "itl", "e2e_latency", "rps")
MOST_DIFFERENCE = 1.05
LONGEST_S = 300
FILE = """
llms: [{{name: Mock, base_url: "{url}", model: mock}}]
workloads:
  - {{name: chat, concurrency: {streams}, requests: {requests}, shards: {shards},
     input_tokens: 16, output_tokens: {tokens}}}
"""


class Run(NamedTuple):
    """A measured run: its metrics' means, whether it is valid, and how it was shared."""

    means: dict[str, float]
    requests: int
    invalid_reason: str | None
    shards: list[dict[str, Any]]


def measure(settings: Settings) -> list[Row]:
    """4,000 streams by one, two and four workers against two mock servers; all on this machine."""
    with running_mock_server(Behaviour(ttft=TTFT, itl=ITL), processes=SERVERS) as url:
        alone, *shared = (_run(url, workers) for workers in WORKERS)
    rows = []
    for workers, run in zip(WORKERS[1:], shared, strict=True):
        for name in COMPARED:
            ours, base = run.means[name], alone.means[name]
            difference = max(ours / base, base / ours)
            what = f"{name} by {workers} workers / by one, or its inverse"
            rows.append(Row(what, "", ours, base, difference, at_most=MOST_DIFFERENCE))
        error = max(shard["begin_error_ms"] for shard in run.shards)
        rows.append(Row(f"error of the common begin of {workers} shards, at most", "ms", error))
    for workers, run in zip(WORKERS, (alone, *shared), strict=True):
        if run.invalid_reason:
            print(f"  {workers} workers: not valid: {run.invalid_reason}")
        expected = STREAMS * ROUNDS
        rows.append(
            Row(f"requests stored by {workers} workers", "", run.requests, expected,
                run.requests / expected, at_most=1, at_least=1)
        )  # fmt: skip
    return rows


def _run(url: str, workers: int) -> Run:
    """Return what that number of workers measured together."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "benchmark.yml"
        requests = STREAMS * ROUNDS
        file.write_text(
            FILE.format(url=url, streams=STREAMS, requests=requests, tokens=TOKENS, shards=workers)
        )
        environment = {"BENCHMARK_FILE": str(file), "MEASUREMENTS_PER_HOST": str(max(WORKERS))}
        settings = Settings.from_env({**os.environ, **environment})
        for _ in range(workers):
            stack.enter_context(_worker(environment))
        (planned,) = tasks(read_benchmark_file(settings))
        slot = int(time.time())
        enqueue_measurement(runs_queue(queue_redis(settings)), settings, slot, planned)
        return _ended(settings, slot)


@contextmanager
def _worker(environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.worker"], cwd=ROOT, env={**os.environ, **environment}
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _ended(settings: Settings, slot: int) -> Run:
    """Wait for the end of the slot's run; TimeoutError if it does not end well."""
    deadline = time.monotonic() + LONGEST_S
    with closing(connect(settings)) as conn:
        while time.monotonic() < deadline:
            with conn, conn.cursor() as cursor:
                cursor.execute(
                    "SELECT id, invalid_reason, measurement FROM runs"
                    " WHERE slot = to_timestamp(%s) AND status IN ('finished', 'invalid')",
                    (slot,),
                )
                if row := cursor.fetchone():
                    run_id, reason, described = row
                    values = rederive(conn, run_id)
                    means = {name: float(values[name].mean()) for name in COMPARED}
                    return Run(means, described["requests"], reason, described.get("shards", []))
            time.sleep(0.5)
    raise TimeoutError(f"slot {slot}: no run within {LONGEST_S} s")
