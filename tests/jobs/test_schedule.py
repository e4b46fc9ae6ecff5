"""The schedule at work: many schedulers and workers, lost servers, a lost Redis, and none of it twice."""

import signal
import time

import pytest
from flask_migrate import upgrade

from jobs.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.conftest import FAST
from tests.jobs.system import (
    assert_answer_is_right,
    assert_exactly_once,
    closing_connect,
    finished_slots,
    until,
)
from tests.support import dispose, query
from webapp import create_app
from webapp.queue import BACKLOG_SLOTS
from webapp.settings import Settings

SCHEDULED = "rq:scheduler:scheduled_jobs"
ENTRIES = {b"every-simulation", b"every-maintenance"}
EVERY_2_S = "0.0334"
EVERY_S = "0.0167"


def wait_for_slots(conn, count: int) -> list[int]:
    return until(lambda: (slots := finished_slots(conn)) and len(slots) >= count and slots)


def end(*running) -> None:
    """Stop the processes as an operator would; each finishes what it is at."""
    for process in running:
        process.terminate()
    assert [process.wait(timeout=20) for process in running] == [0] * len(running)


def waiting_simulations(queue) -> list[str]:
    return [job_id for job_id in queue.job_ids if job_id.startswith("simulation-")]


def drain(processes, conn, queue) -> None:
    """Let a worker finish what still waits."""
    worker = processes.worker()
    until(lambda: not queue.job_ids and not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
    worker.terminate()
    worker.wait(timeout=20)


def assert_every_slot(conn, client, interval: int, least: int) -> None:
    """The finished slots follow one another without a gap, each exactly once."""
    slots = finished_slots(conn)
    assert len(slots) >= least
    assert slots == list(range(slots[0], slots[-1] + 1, interval))
    assert_exactly_once(conn, slots)
    assert_answer_is_right(client, conn)


def test_two_schedulers_and_three_workers_make_one_run_a_slot(processes, conn, queue, client):
    schedulers = [processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S) for _ in range(2)]
    workers = [processes.worker() for _ in range(3)]

    wait_for_slots(conn, 4)
    end(*schedulers, *workers)
    drain(processes, conn, queue)

    assert_every_slot(conn, client, interval=2, least=4)


def test_slots_that_find_no_worker_wait_once_each_and_are_done_when_one_comes(processes, conn, queue, client):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    waiting = until(lambda: (ids := waiting_simulations(queue)) and len(ids) >= 5 and ids)
    end(scheduler)

    assert len(set(waiting)) == len(waiting)
    drain(processes, conn, queue)

    assert_every_slot(conn, client, interval=2, least=5)


def test_the_backlog_is_bounded(processes, redis, queue):
    processes.scheduler(SCHEDULE_INTERVAL=EVERY_S, RETRY_DELAY="0")

    ids = until(lambda: (ids := waiting_simulations(queue)) and len(ids) >= BACKLOG_SLOTS + 4 and ids)

    alive = [job_id for job_id in ids if redis.exists(f"rq:job:{job_id}")]
    assert len(alive) <= BACKLOG_SLOTS + 1
    assert alive == ids[-len(alive) :]


def test_after_redis_lost_everything_the_next_slot_runs_with_no_restart(
    processes, conn, redis, queue, client
):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    worker = processes.worker()
    before = wait_for_slots(conn, 1)
    redis.flushall()

    wait_for_slots(conn, len(before) + 2)
    assert set(redis.zrange(SCHEDULED, 0, -1)) == ENTRIES
    end(scheduler, worker)
    drain(processes, conn, queue)

    assert_every_slot(conn, client, interval=2, least=3)


@pytest.fixture
def own_redis(folder, environment, counter):
    """A Redis of this test alone, to stop and start."""
    server = EmbeddedRedis(folder / f"redis-{next(counter)}")
    server.start()
    environment.update(server.environment)
    yield server
    server.stop()


def test_a_redis_that_stops_is_waited_for(own_redis, processes, conn, client):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    worker = processes.worker()
    before = wait_for_slots(conn, 1)
    own_redis.stop()
    assert_answer_is_right(client, conn)
    time.sleep(2)
    assert scheduler.poll() is worker.poll() is None

    own_redis.start()
    wait_for_slots(conn, len(before) + 2)
    end(scheduler, worker)

    until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
    assert_exactly_once(conn, finished_slots(conn))
    assert_answer_is_right(client, conn)


def test_processes_end_when_told_although_redis_is_away(own_redis, processes, conn):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    worker = processes.worker()
    wait_for_slots(conn, 1)
    own_redis.stop()
    time.sleep(1)

    for process in (scheduler, worker):
        process.send_signal(signal.SIGTERM)

    assert scheduler.wait(timeout=15) == 0
    assert worker.wait(timeout=15) == 0


def test_a_postgresql_that_restarts_is_waited_for(folder, counter, environment, processes, redis, queue):
    server = EmbeddedPostgres(folder / f"postgres-{next(counter)}", options=FAST)
    server.start()
    environment.update(server.environment)
    settings = Settings.from_env(environment)
    app = create_app(settings)
    try:
        with app.app_context():
            upgrade()
        client = app.test_client()
        client.environ_base["HTTP_X_API_KEY"] = settings.api_keys[0]
        # With a second between them, enough retries to outlast the outage on a slow machine.
        scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S, MAX_RETRIES="20")
        worker = processes.worker()
        with closing_connect(settings) as conn:
            before = wait_for_slots(conn, 1)
        server.stop()
        time.sleep(3)
        server.start()

        with closing_connect(settings) as conn:
            wait_for_slots(conn, len(before) + 2)
            end(scheduler)
            until(lambda: not queue.job_ids and not queue.scheduled_job_registry.count)
            until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
            end(worker)
            assert_every_slot(conn, client, interval=2, least=3)
    finally:
        dispose(app)
        processes.kill_all()
        server.stop()


def test_a_changed_interval_takes_effect_at_the_restart_and_leaves_no_copy(processes, redis):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL="1")
    until(lambda: redis.exists(SCHEDULED))
    end(scheduler)

    processes.scheduler(SCHEDULE_INTERVAL="7")

    until(lambda: (redis.zscore(SCHEDULED, "every-simulation") or 1) % 420 == 0)
    assert set(redis.zrange(SCHEDULED, 0, -1)) == ENTRIES
    assert len(redis.keys("rq:job:every-*")) == len(ENTRIES)


def test_a_scheduler_told_to_runs_once_at_once_and_goes_on_with_the_next_slot(processes, redis, queue):
    scheduler = processes.scheduler("--run-now", SCHEDULE_INTERVAL="60")

    until(lambda: redis.zcard(SCHEDULED) == len(ENTRIES))
    end(scheduler)

    (job_id,) = queue.job_ids
    assert abs(int(job_id.removeprefix("simulation-")) - time.time()) < 20
    assert redis.zscore(SCHEDULED, "every-simulation") > time.time()


def test_a_new_schedule_begins_with_the_current_slot(processes, redis, queue):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL="60")

    ids = until(lambda: (ids := queue.job_ids) and len(ids) == len(ENTRIES) and ids)
    end(scheduler)

    assert sorted(job_id.rpartition("-")[0] for job_id in ids) == ["maintenance", "simulation"]
    assert all(int(job_id.rpartition("-")[2]) % 3600 == 0 for job_id in ids)


def test_an_entry_that_nobody_wants_any_more_is_removed(processes, redis):
    redis.zadd(SCHEDULED, {"every-former": 0})

    processes.scheduler()

    until(lambda: set(redis.zrange(SCHEDULED, 0, -1)) == ENTRIES)
