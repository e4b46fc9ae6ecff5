"""Levels that several workers share: real workers, queue and database, and a mock server."""

import os
import signal

import pytest

from tests.jobs.system import now_slot, until
from tests.jobs.test_scheduled_measurements import WORKER
from tests.support import query
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import tasks
from webapp.queue import enqueue_measurement
from webapp.settings import Settings

STREAMS, TOKENS, TTFT, ITL = 40, 5, 0.2, 0.05
WORKLOAD = f"concurrency: {STREAMS}, output_tokens: {TOKENS}, timeout: 20"


@pytest.fixture
def measure(declare_llms, mock_servers, environment, queue):
    """Enqueues a measurement with shards, which takes as many seconds as it has rounds of requests."""

    def enqueue(shards: int, requests: int = 2 * STREAMS, **behaviour: float) -> int:
        server = mock_servers.start(**({"ttft": TTFT, "itl": ITL} | behaviour))
        declare_llms({"LLM": server}, f"{WORKLOAD}, requests: {requests}, warmup: 0, shards: {shards}")
        settings = Settings.from_env(environment)
        (planned,) = tasks(read_benchmark_file(settings))
        slot = now_slot()
        enqueue_measurement(queue, settings, slot, planned)
        return slot

    return enqueue


@pytest.fixture
def start_workers(processes):
    def start(number: int, **changes: str):
        return [processes.start(*WORKER, MEASUREMENTS_PER_HOST="8", **changes) for _ in range(number)]

    return start


def runs(conn) -> list[tuple]:
    return query(conn, "SELECT status, attempts, error, measurement FROM runs")


def ended(conn) -> tuple:
    """The run, once it has been published."""

    def find():
        return query(
            conn, "SELECT status, attempts, error, measurement FROM runs WHERE generation IS NOT NULL"
        )

    ((run),) = until(find, 60)
    return run


def assert_stored_once(conn, requests: int = 2 * STREAMS) -> None:
    assert query(conn, "SELECT count(*), count(DISTINCT number) FROM requests") == [(requests, requests)]
    assert query(conn, "SELECT count(*) FROM points JOIN metrics ON id = metric_id WHERE name = 'ttft'") == [
        (requests,)
    ]
    assert query(conn, "SELECT count(*) FROM run_shards") == [(0,)]


def test_workers_share_a_level_which_becomes_one_run(conn, measure, start_workers):
    measure(2)
    start_workers(2)

    status, attempts, error, measurement = ended(conn)

    assert (status, attempts, error) == ("finished", 1, None)
    assert_stored_once(conn)
    shards = measurement["shards"]
    assert [each["shard"] for each in shards] == [0, 1]
    assert [each["requests"] for each in shards] == [STREAMS, STREAMS]
    assert len({each["worker"] for each in shards}) == 2
    assert all(each["valid"] and each["begin_error_ms"] < 100 for each in shards)
    # All streams are measured from one moment, so that the first of both shards begin together.
    intended = query(conn, "SELECT min(intended_ns) FROM requests GROUP BY number % 2")
    assert {moment for (moment,) in intended} == {0}
    ((ttft, rate),) = query(
        conn,
        "SELECT max(mean) FILTER (WHERE name = 'ttft'), max(mean) FILTER (WHERE name = 'rps')"
        " FROM rollups JOIN metrics ON metrics.id = metric_id",
    )
    assert ttft == pytest.approx(TTFT, abs=0.1)
    assert rate == pytest.approx(STREAMS / (TTFT + (TOKENS - 1) * ITL), rel=0.3)
