"""Scheduler and worker processes: several of each, restarts of their servers, and no slot run twice."""

import os
import re
import signal
import time
from contextlib import closing

import pytest
from flask_migrate import upgrade

from jobs.embedded import EmbeddedPostgres
from tests.conftest import FAST
from tests.jobs.system import (
    LLMS,
    assert_answer_is_right,
    assert_exactly_once,
    closing_connect,
    finished_slots,
    now_slot,
    until,
)
from tests.support import dispose, query
from webapp import create_app
from webapp.queue.durations import BACKLOG_SLOTS
from webapp.redis import queue_redis
from webapp.settings import Settings

EVERY_2_S = "0.0334"
EVERY_S = "0.0167"


def wait_for_slots(conn, count: int) -> list[int]:
    return until(lambda: (slots := finished_slots(conn)) and len(slots) >= count and slots)


def end(*running) -> None:
    """Stop the processes as an operator does; each finishes its current job."""
    for process in running:
        process.terminate()
    assert [process.wait(timeout=20) for process in running] == [0] * len(running)


def wait_until_reported(*running) -> None:
    """Wait until every process has logged that Redis is unreachable; in the worker RQ may be the first."""
    reported = re.compile("Redis unreachable|could not connect to Redis")
    until(lambda: all(reported.search(process.log) for process in running))


def queued_simulations(queue) -> list[str]:
    return [job_id for job_id in queue.job_ids if job_id.startswith("simulation-")]


def is_empty(queue) -> bool:
    """Whether no job is queued, just taken, or running."""
    lists = (queue.key, queue.intermediate_queue_key)
    return not any(map(queue.connection.llen, lists)) and not queue.connection.zcard("rq:wip:runs")


def drain(processes, conn, queue) -> None:
    """Let a worker finish what is still queued."""
    worker = processes.worker()
    until(lambda: is_empty(queue) and not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
    worker.terminate()
    worker.wait(timeout=20)


def assert_every_slot(conn, client, interval: int, least: int) -> None:
    """The finished slots follow one another without a gap, each exactly once."""
    slots = finished_slots(conn)
    assert len(slots) >= least
    assert slots == list(range(slots[0], slots[-1] + 1, interval))
    assert_exactly_once(conn, slots)
    assert_answer_is_right(client, conn)


def test_two_schedulers_and_three_workers_make_one_run_per_slot(processes, conn, queue, client):
    schedulers = [processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S) for _ in range(2)]
    workers = [processes.worker() for _ in range(3)]

    wait_for_slots(conn, 4)
    end(*schedulers, *workers)
    drain(processes, conn, queue)

    assert_every_slot(conn, client, interval=2, least=4)


def test_slots_queue_once_each_while_no_worker_runs(processes, conn, queue, client):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    waiting = until(lambda: (ids := queued_simulations(queue)) and len(ids) >= 5 and ids)
    end(scheduler)

    assert len(set(waiting)) == len(waiting)
    drain(processes, conn, queue)

    assert_every_slot(conn, client, interval=2, least=5)


def every_slot_has_ended(conn, first: int, last: int) -> bool:
    """Whether each LLM has one run in every slot from `first` to `last`, which has finished or was missed."""
    rows = query(
        conn,
        "SELECT extract(epoch FROM slot)::bigint FROM runs WHERE status IN ('finished', 'missed')"
        " GROUP BY slot HAVING count(*) = %s",
        LLMS,
    )
    return {slot for (slot,) in rows} >= set(range(first, last + 1))


def test_ten_slots_wait_while_no_worker_runs_and_none_is_lost(processes, conn, queue):
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE llms SET created_at = '2020-01-01'")
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_S)
    first = int(until(lambda: queued_simulations(queue))[0].rpartition("-")[2])
    until(lambda: time.time() > first + 2 * BACKLOG_SLOTS + 5)
    assert len(queued_simulations(queue)) == BACKLOG_SLOTS

    worker = processes.worker(SCHEDULE_INTERVAL=EVERY_S)
    last = now_slot()
    until(lambda: every_slot_has_ended(conn, first, last))

    assert finished_slots(conn)[0] > first + BACKLOG_SLOTS
    end(scheduler, worker)


def test_a_stopped_scheduler_holds_up_no_other_and_enqueues_nothing_twice(processes, conn, client):
    schedulers = [processes.scheduler(SCHEDULE_INTERVAL=EVERY_S) for _ in range(2)]
    worker = processes.worker(SCHEDULE_INTERVAL=EVERY_S)
    wait_for_slots(conn, 1)
    for stopped in schedulers:
        stopped.send_signal(signal.SIGSTOP)
        before = now_slot()
        until(lambda before=before: finished_slots(conn)[-1] >= before + 3, 6)
        stopped.send_signal(signal.SIGCONT)
    wait_for_slots(conn, len(finished_slots(conn)) + 2)
    end(*schedulers, worker)

    enqueued = re.findall(r"enqueued (simulation-\d+)", schedulers[0].log + schedulers[1].log)
    assert len(enqueued) == len(set(enqueued))
    assert_every_slot(conn, client, interval=1, least=8)


def test_after_redis_lost_its_data_the_next_slot_runs_without_a_restart(
    processes, conn, redis, queue, client
):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    worker = processes.worker()
    before = wait_for_slots(conn, 1)
    redis.flushall()

    wait_for_slots(conn, len(before) + 2)
    end(scheduler, worker)
    drain(processes, conn, queue)

    assert_every_slot(conn, client, interval=2, least=3)


def test_scheduler_and_worker_survive_a_restart_of_redis(own_redis, processes, conn, client):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    worker = processes.worker()
    before = wait_for_slots(conn, 1)
    own_redis.stop()
    wait_until_reported(scheduler, worker)
    until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
    assert_answer_is_right(client, conn)
    assert scheduler.poll() is worker.poll() is None

    own_redis.start()
    wait_for_slots(conn, len(before) + 2)
    end(scheduler, worker)

    until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
    assert_exactly_once(conn, finished_slots(conn))
    assert_answer_is_right(client, conn)


@pytest.mark.parametrize("outage", ["stopped", "silent"])
def test_slots_continue_within_an_interval_of_the_return_of_redis(own_redis, processes, conn, outage):
    settings = Settings.from_env(processes.environment)
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    workers = [processes.worker(SCHEDULE_INTERVAL=EVERY_2_S) for _ in range(2)]
    first = wait_for_slots(conn, 1)[0]
    with closing(queue_redis(settings)) as redis:
        pid = redis.info("server")["process_id"]
        redis.save()
    if outage == "stopped":
        own_redis.stop()
        time.sleep(6)
        own_redis.start()
    else:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(6)
        os.kill(pid, signal.SIGCONT)
    current = now_slot() // 2 * 2

    # An interval, and time for the run itself.
    until(lambda: finished_slots(conn)[-1] >= current, 2 + 2)

    until(lambda: finished_slots(conn)[: (current - first) // 2 + 1] == list(range(first, current + 1, 2)))
    end(scheduler, *workers)


def test_signals_end_scheduler_and_worker_while_redis_is_unreachable(own_redis, processes, conn):
    scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S)
    worker = processes.worker()
    wait_for_slots(conn, 1)
    own_redis.stop()
    wait_until_reported(scheduler, worker)

    for process in (scheduler, worker):
        process.send_signal(signal.SIGTERM)

    assert scheduler.wait(timeout=15) == 0
    assert worker.wait(timeout=15) == 0


def test_scheduler_and_worker_survive_a_restart_of_postgresql(
    folder, counter, environment, processes, redis, queue
):
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
        # One second apart, enough retries for the outage on a slow machine.
        scheduler = processes.scheduler(SCHEDULE_INTERVAL=EVERY_2_S, MAX_RETRIES="20")
        worker = processes.worker()
        with closing_connect(settings) as conn:
            before = wait_for_slots(conn, 1)
        server.stop()
        until(lambda: "trying again" in worker.log)  # a run waits for the server
        server.start()

        with closing_connect(settings) as conn:
            wait_for_slots(conn, len(before) + 2)
            end(scheduler)
            until(lambda: is_empty(queue) and not queue.scheduled_job_registry.count)
            until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
            end(worker)
            assert_every_slot(conn, client, interval=2, least=3)
    finally:
        dispose(app)
        processes.kill_all()
        server.stop()
