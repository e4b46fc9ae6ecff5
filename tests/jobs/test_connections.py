"""How many connections to PostgreSQL the processes have, see docs/operate.md."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.jobs.system import finished_slots, until
from tests.support import query
from tests.web import RANKINGS, Server, serving
from webapp.app import MOST_IDLE

THREADS = 4  # of a process of the API, see gunicorn.conf.py
COUNTS = (
    "SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1"
)
CONNECTIONS = "SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database()"
API, JOB = "llm-benchmark api", "llm-benchmark job"


@contextmanager
def loaded(server: Server, clients: int = 12) -> Iterator[None]:
    """Request uncached answers from the server until the block ends."""
    over = threading.Event()

    def request(client: int) -> None:
        while not over.is_set():
            server.request(f"{RANKINGS}?n={client}")
            server.request("/readyz")

    with ThreadPoolExecutor(clients) as pool:
        try:
            loads = [pool.submit(request, client) for client in range(clients)]
            yield
        finally:
            over.set()
        for load in loads:
            load.result()


def most(conn, seconds: float) -> Counter:
    """The greatest number of connections of each kind in that time, without those that are just ending.

    The server may see the end of one after the begin of the next, so each counts if it is seen twice.
    """
    seen: Counter = Counter()
    before: dict[int, str] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = dict(query(conn, CONNECTIONS))
        seen |= Counter(name for pid, name in now.items() if pid in before)
        before = now
        time.sleep(0.05)
    return seen


@pytest.mark.parametrize("size", [1, 8])
def test_the_api_has_no_more_than_it_uses(environment, folder, conn, size):
    with serving(environment, folder, WEB_CONCURRENCY="1", POSTGRES_POOL_SIZE=str(size)) as server:
        with loaded(server):
            seen = most(conn, 2)

        assert 1 <= seen[API] <= min(size, THREADS)
        until(lambda: dict(query(conn, COUNTS)).get(API, 0) <= min(size, MOST_IDLE), 2)


def test_a_worker_has_two_at_most_and_is_served_while_the_api_is_busy(environment, folder, conn, processes):
    processes.environment = {**environment, "SCHEDULE_INTERVAL": "0.0334"}
    with serving(environment, folder, WEB_CONCURRENCY="1") as server, loaded(server):
        processes.scheduler()
        processes.worker()
        seen: Counter = Counter()
        while len(finished_slots(conn)) < 3:
            seen |= most(conn, 0.2)

    # The server may see the end of one after the begin of the next.
    assert 1 <= seen[JOB] <= 2
