"""Processes are replaced one at a time under load: no request fails, and no slot is lost or run twice."""

import http.client
import json
import re
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import closing

import psutil
import pytest
from rq import Worker

from tests.jobs.system import POINTS, Processes, assert_exactly_once, finished_slots, until
from tests.support import KEY, query

REQUESTS_PER_SECOND = 200
CLIENTS = 20
RANKINGS = "/api/v1/benchmarks/rankings"


class Load:
    """Clients that together send REQUESTS_PER_SECOND, over one connection each, until the block ends."""

    def __init__(self, port: int):
        self.port = port
        self.outcomes: Counter = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _send(self, number: int) -> None:
        """Send at fixed instants; a request that is late is sent immediately."""
        pace = CLIENTS / REQUESTS_PER_SECOND
        due = time.monotonic() + pace * number / CLIENTS
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            while not self._stop.wait(max(0, due - time.monotonic())):
                due += pace
                try:
                    connection.request("GET", RANKINGS, headers={"x-api-key": KEY})
                    response = connection.getresponse()
                    json.load(response)
                    self.outcomes[response.status] += 1
                except (OSError, http.client.HTTPException, ValueError) as error:
                    self.outcomes[repr(error)] += 1
                    connection.close()


@pytest.fixture
def processes(environment):
    started = Processes({**environment, "POINTS_PER_RUN": str(POINTS), "SCHEDULE_INTERVAL": "0.0333"})
    yield started
    started.kill_all()


def replace_gunicorn_workers(api):
    """Terminate gunicorn's workers one at a time; wait until gunicorn has replaced each of them."""
    for worker in gunicorn_workers(api):
        worker.terminate()
        worker.wait(timeout=30)
        gunicorn_workers(api)


def gunicorn_workers(api):
    """Wait until gunicorn has both workers, and return them."""
    master = psutil.Process(api.pid)
    until(lambda: len(master.children()) == 2)
    time.sleep(0.5)  # in which a new one begins to handle signals; it loses those before
    return master.children()


def replace(worker, processes, redis):
    """Start the worker's successor, then stop the worker, as a rolling update does; return the successor."""
    successor = processes.worker()
    until(lambda: Worker.count(redis) == 3)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    return successor


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_no_request_fails_and_every_slot_runs_exactly_once(processes, conn, redis, port, tmp_path):
    log = tmp_path / "scheduler.log"
    api = processes.start("-m", "webapp.serve", PORT=str(port), WEB_CONCURRENCY="2")
    workers = [processes.worker(), processes.worker()]
    to_log = f"import os; os.dup2(os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT), 2)"
    scheduler = processes.start("-c", f"{to_log}; import jobs.scheduler; jobs.scheduler.main()")
    until(lambda: Worker.count(redis) == 2 and finished_slots(conn) and accepts(port))

    with Load(port) as load:
        started = time.monotonic()
        replace_gunicorn_workers(api)
        workers = [replace(worker, processes, redis) for worker in workers]
        replace_gunicorn_workers(api)
        took = time.monotonic() - started

    assert set(load.outcomes) == {200}, load.outcomes
    assert load.outcomes.total() > 0.8 * REQUESTS_PER_SECOND * took

    until(lambda: len(finished_slots(conn)) >= 3)
    scheduler.send_signal(signal.SIGTERM)
    scheduler.wait(timeout=10)
    slots = [int(slot) for slot in re.findall(r"enqueued simulation-(\d+)", log.read_text())]
    until(lambda: len(finished_slots(conn)) >= len(slots))
    assert_exactly_once(conn, slots)
    assert query(conn, "SELECT count(*) FROM runs WHERE attempts <> 1") == [(0,)]
