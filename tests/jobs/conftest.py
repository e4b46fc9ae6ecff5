"""Processes of a test, and the servers and the queue that they share."""

from datetime import UTC, datetime

import pytest

from jobs.embedded import EmbeddedRedis
from tests.jobs.system import POINTS, Processes, now_slot
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.queues import runs_queue
from webapp.store import partitions


@pytest.fixture
def environment(environment):
    return {**environment, "POINTS_PER_RUN": str(POINTS)}


@pytest.fixture
def processes(environment):
    """Starts processes that use this test's servers."""
    started = Processes(environment)
    yield started
    started.kill_all()


@pytest.fixture
def queue(redis):
    return runs_queue(redis)


@pytest.fixture
def slot(queue, settings, conn):
    """A slot whose run is queued and whose partition exists."""
    slot = now_slot()
    partitions.ensure(conn, datetime.fromtimestamp(slot, UTC).date())
    conn.commit()
    enqueue_simulation(queue, settings, slot)
    return slot


@pytest.fixture
def own_redis(folder, environment, counter):
    """A separate Redis, which the test may stop and start."""
    server = EmbeddedRedis(folder / f"redis-{next(counter)}")
    server.start()
    environment.update(server.environment)
    yield server
    server.stop()
