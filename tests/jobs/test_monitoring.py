"""Metrics of scheduler and worker, and the context of their log lines."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.jobs.system import until
from tests.support import KEY, query
from tests.web import free_port
from webapp.queue.enqueue import enqueue_simulation
from webapp.settings import ROOT

BEARER = {"Authorization": f"Bearer {KEY}"}


def get(port, headers=BEARER):
    """Status and body of /metrics at the port; None while nothing listens there."""
    with suppress(OSError), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    return None


def scrape(port):
    """{(name, label values): value}, empty while nothing listens."""
    status, text = get(port) or (200, "")
    assert status == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_scheduler_exports_its_last_poll_and_enqueued_slots(processes):
    port = free_port()
    processes.scheduler(METRICS_PORT=str(port), SCHEDULE_INTERVAL="0.0167")
    enqueued = ("llm_benchmark_scheduler_enqueued_total", "every-simulation")

    samples = until(lambda: (found := scrape(port)).get(enqueued, 0) >= 2 and found)
    assert samples["llm_benchmark_scheduler_last_poll_timestamp_seconds",] > 1.7e9
    assert samples["process_resident_memory_bytes",] > 0


def test_the_worker_counts_jobs_that_separate_processes_run(processes, redis, settings, queue):
    port = free_port()
    for slot in (600, 1200):
        enqueue_simulation(queue, settings, slot)
    processes.worker(METRICS_PORT=str(port))
    done = ("llm_benchmark_worker_jobs_total", "successful")

    samples = until(lambda: (found := scrape(port)).get(done) == 2 and found)
    assert samples["llm_benchmark_worker_jobs_total", "failed"] == 0
    assert samples["llm_benchmark_worker_busy_seconds_total",] > 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"x-api-key": "wrong"}])
def test_metrics_need_the_key_unless_they_are_public(processes, headers):
    closed, opened = free_port(), free_port()
    processes.scheduler(METRICS_PORT=str(closed))
    processes.scheduler(METRICS_PORT=str(opened), METRICS_PUBLIC="true")

    assert until(lambda: get(closed, headers))[0] == 401
    assert until(lambda: get(opened, headers))[0] == 200
    assert get(closed, {"x-api-key": KEY})[0] == 200


def test_the_port_of_a_killed_worker_is_free_for_the_next(processes, redis, settings, queue, conn):
    port = free_port()
    with conn.cursor() as cursor:
        cursor.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
    enqueue_simulation(queue, settings, 600)
    worker = processes.worker(METRICS_PORT=str(port))
    processes.work_horse(worker)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    processes.worker(METRICS_PORT=str(port))

    assert until(lambda: get(port))[0] == 200
    conn.rollback()


@pytest.mark.parametrize("module", ["jobs.scheduler", "jobs.worker"])
def test_a_metrics_port_in_use_is_a_one_line_error(environment, module):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **environment, "METRICS_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr.startswith(f"setting METRICS_PORT={port}: cannot be used on 127.0.0.1 (")
    assert len(done.stderr.splitlines()) == 1


def test_the_log_lines_of_a_run_contain_job_slot_and_runs(environment, queue, settings, conn, tmp_path):
    enqueue_simulation(queue, settings, 600)
    burst = "from jobs.worker import *; s = Settings.from_env(); configure_logging(s);" \
            " make_worker(s, queue_redis(s)).work(burst=True, logging_level=None)"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", burst],
        cwd=ROOT,
        env={**os.environ, **environment, "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    (stored,) = [line for line in map(json.loads, done.stderr.splitlines()) if "stored" in line["message"]]
    ids = [run_id for (run_id,) in query(conn, "SELECT id FROM runs ORDER BY id")]
    assert (stored["job_id"], stored["slot"], stored["run_ids"]) == ("simulation-600", 600, ids)
