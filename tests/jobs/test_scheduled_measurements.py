"""Endpoints measured on schedule: mock servers, and real scheduler, workers and database."""

import os
import signal
from datetime import datetime
from itertools import pairwise

import pytest

from llm_measure.metrics import METRICS
from tests.endpoints import BUSY_LIMITS
from tests.jobs.system import now_slot, until
from tests.support import query
from webapp.ingest.persist import rederive
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import tasks
from webapp.queue.enqueue import enqueue_measurement
from webapp.settings import Settings

# Accepts every level as valid, since this machine may be too busy for any. tests/llm_measure tests validity.
ALL_VALID = (
    "import llm_measure.validity as validity;"
    f" assert all(hasattr(validity, limit) for limit in {(*BUSY_LIMITS, 'MIN_HELD')});"
    f" vars(validity).update(dict.fromkeys({BUSY_LIMITS}, 1e18), MIN_HELD=0)"
)
WORKER = ["-c", f"{ALL_VALID}; from jobs.worker import main; main()"]
EVERY_4_S = "interval: 0.0667"
FEW = "output_tokens: 5, requests: 12, warmup: 4, timeout: 5"


def slots(conn, llm: str, status: str = "finished") -> list[int]:
    rows = query(
        conn,
        "SELECT extract(epoch FROM slot)::bigint FROM runs JOIN llms ON llms.id = llm_id"
        " WHERE source = 'measurement' AND name = %s AND status = %s ORDER BY slot",
        llm,
        status,
    )
    return [slot for (slot,) in rows]


def leaderboard(client, metric: str) -> list[dict]:
    answer = client.get(
        f"/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@c4&window=1h&metric={metric}"
    )
    assert answer.status_code == 200, answer.data
    return answer.json["metrics"][0]["llms"]


@pytest.mark.moments
def test_two_servers_are_ranked_and_the_death_of_one_fails_only_its_own_runs(
    processes, conn, client, mock_servers, declare_llms
):
    # Gaps are so long that a delay does not gather the chunks of a response, which would raise its tps.
    slow = mock_servers.start(ttft=0.08, itl=0.04)
    declare_llms(
        {"Slow": slow, "Fast": mock_servers.start(ttft=0.02, itl=0.01)},
        f"concurrency: 4, slo: {{ttft: 0.05}}, {FEW}, {EVERY_4_S}",
    )
    processes.scheduler(MAX_RETRIES="1")
    for _ in range(2):
        processes.start(*WORKER)

    until(lambda: all(len(slots(conn, llm)) >= 3 for llm in ("Slow", "Fast")), 60)
    until(lambda: not query(conn, "SELECT FROM runs WHERE status = 'finished' AND generation IS NULL"))
    rows = leaderboard(client, "ttft")
    assert [(row["llm_name"], row["rank"]) for row in rows] == [("Fast", 1), ("Slow", 2)]
    for row, ttft in zip(rows, (0.02, 0.08), strict=True):
        assert row["ci_low"] < row["mean"] < row["ci_high"]
        assert row["n"] == 12 * row["runs"]
        assert row["mean"] == pytest.approx(ttft, abs=0.03)
    assert [row["llm_name"] for row in leaderboard(client, "tps")] == ["Fast", "Slow"]
    assert {row["llm_name"]: row["mean"] for row in leaderboard(client, "slo_attainment")}["Slow"] == 0

    mock_servers.stop(slow)
    before = len(slots(conn, "Fast"))
    until(lambda: slots(conn, "Slow", "failed") and len(slots(conn, "Fast")) >= before + 3, 60)

    measured = slots(conn, "Fast")
    assert measured == list(range(measured[0], measured[-1] + 1, 4))
    assert slots(conn, "Fast", "failed") == []
    failed = client.get("/api/v1/benchmarks/runs?source=measurement&status=failed&llm=Slow").json["runs"][-1]
    assert failed["error"].startswith("all ")
    assert "connect" in failed["error"]
    assert failed["measurement"]["errors"]["connect"] > 0
    kept = client.get(f"/api/v1/benchmarks/runs/{failed['id']}/requests").json["requests"]
    assert {request["error"] for request in kept} <= {"connect", "truncated", "cancelled"}


@pytest.fixture
def enqueue(environment, queue):
    """Enqueues the jobs of the benchmark file for one slot."""

    def enqueue() -> int:
        settings = Settings.from_env(environment)
        slot = now_slot()
        for task in tasks(read_benchmark_file(settings)):
            enqueue_measurement(queue, settings, slot, task)
        return slot

    return enqueue


@pytest.mark.parametrize("victim", ["work-horse", "worker"])
def test_a_killed_measurement_is_completed_once_by_its_retry(
    processes, conn, mock_servers, declare_llms, enqueue, victim
):
    declare_llms({"Patient": mock_servers.start(ttft=1, itl=0.001)}, f"concurrency: 8, {FEW}")
    slot = enqueue()
    worker = processes.start(*WORKER)
    until(lambda: query(conn, "SELECT FROM runs WHERE status = 'running'"))

    work_horse = processes.work_horse(worker)
    if victim == "worker":
        os.killpg(worker.pid, signal.SIGKILL)
    work_horse.kill()
    if victim == "worker":
        processes.start(*WORKER)

    until(lambda: slots(conn, "Patient") == [slot], 60)
    ((run_id, attempts, points),) = query(conn, "SELECT id, attempts, points FROM runs")
    assert attempts >= 2
    assert query(conn, "SELECT count(*), count(DISTINCT number) FROM requests") == [(16, 16)]
    assert query(conn, "SELECT count(*) FROM points WHERE run_id = %s", run_id) == [(points,)]
    for name, values in rederive(conn, run_id).items():
        stored = query(
            conn, "SELECT value FROM points WHERE run_id = %s AND metric_id = %s",
            run_id, METRICS[name].id,
        )  # fmt: skip
        if name == "itl" and not stored:  # not ranked: on a busy machine, the chunks came in clumps
            continue
        assert sorted(value for (value,) in stored) == sorted(values.tolist()), name


def test_a_job_killed_between_its_levels_continues_with_the_unfinished_ones(
    processes, conn, mock_servers, declare_llms, enqueue
):
    declare_llms({"Many": mock_servers.start(ttft=0.3, itl=0.001)}, f"concurrency: [1, 2, 4], {FEW}")
    slot = enqueue()
    worker = processes.start(*WORKER)
    until(lambda: query(conn, "SELECT FROM runs WHERE status = 'running'") and slots(conn, "Many"))
    first = query(conn, "SELECT id, finished_at FROM runs WHERE status = 'finished'")

    processes.work_horse(worker).kill()

    until(lambda: slots(conn, "Many") == [slot] * 3, 60)
    assert first[0] in query(conn, "SELECT id, finished_at FROM runs")
    assert query(conn, "SELECT attempts FROM runs ORDER BY finished_at") == [(1,), (2,), (1,)]
    assert query(conn, "SELECT run_id, count(*) FROM requests GROUP BY 1 HAVING count(*) <> 16") == []


def test_a_worker_that_is_asked_to_stop_leaves_the_other_levels_to_another_one(
    processes, conn, mock_servers, declare_llms, enqueue
):
    declare_llms({"Many": mock_servers.start(ttft=0.5, itl=0.001)}, f"concurrency: [1, 2, 4], {FEW}")
    slot = enqueue()
    stopped = processes.start(*WORKER)
    until(lambda: query(conn, "SELECT FROM runs WHERE status = 'running'"))

    stopped.send_signal(signal.SIGTERM)

    assert stopped.wait(timeout=30) == 0
    assert len(slots(conn, "Many")) == 1
    processes.start(*WORKER)
    until(lambda: slots(conn, "Many") == [slot] * 3, 60)
    assert query(conn, "SELECT attempts FROM runs") == [(1,)] * 3


def test_measurements_of_one_endpoint_never_overlap_and_none_is_lost(
    processes, conn, mock_servers, declare_llms, enqueue
):
    declare_llms({"Shared": mock_servers.start(ttft=0.1, itl=0.02)}, f"concurrency: [1, 2, 4], {FEW}")
    slot = enqueue()

    for _ in range(3):
        processes.start(*WORKER)

    until(lambda: slots(conn, "Shared") == [slot] * 3, 60)
    runs = query(
        conn,
        "SELECT measurement->>'started_at', (measurement->>'duration_s')::float8, attempts"
        " FROM runs ORDER BY 1",
    )
    assert [attempts for *_, attempts in runs] == [1, 1, 1]
    times = [(datetime.fromisoformat(start).timestamp(), duration) for start, duration, _ in runs]
    for (start, duration), (next_start, _) in pairwise(times):
        assert start + duration <= next_start


def test_a_run_reports_the_variable_of_a_missing_key(processes, conn, declare_llms, enqueue, environment):
    declare_llms(
        {"Locked": "http://127.0.0.1:9/v1', api_key_env: 'NOT_SET_ANYWHERE"}, f"concurrency: 1, {FEW}"
    )
    enqueue()

    processes.worker(MAX_RETRIES="0")

    ((error,),) = until(lambda: query(conn, "SELECT error FROM runs WHERE status = 'failed'"))
    assert "environment variable NOT_SET_ANYWHERE: not set in the worker" in error
