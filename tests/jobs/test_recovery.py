"""What dead workers leave is found and retried within two retry delays and 10 seconds, whoever dies."""

import os
import signal
import time
from datetime import UTC, datetime

import pytest

from jobs.recovery import Unchanged
from tests.jobs.system import Blocker, finished_slots, now_slot, someone_waits_for_a_lock, until
from tests.support import query
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.queues import runs_queue
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import partitions

RETRY_DELAY = 2
BOUND = 2 * RETRY_DELAY + 10
BEFORE_COPY = "LOCK TABLE points IN SHARE MODE"


@pytest.fixture
def environment(environment):
    return {**environment, "RETRY_DELAY": str(RETRY_DELAY)}


def attempts(conn) -> set[int]:
    return {number for (number,) in query(conn, "SELECT attempts FROM runs")}


def kill(processes, worker) -> None:
    """Kill a worker and the process of its job."""
    work_horse = processes.work_horse(worker)
    os.killpg(worker.pid, signal.SIGKILL)
    work_horse.kill()


def leave_locks_of_dead_workers(redis) -> None:
    """Leave what RQ's workers leave that die while they move retries or clean registries."""
    redis.set("rq:scheduler-lock:runs", "dead", ex=61)
    redis.set("rq:clean_registries:runs", 1, ex=899)


def test_a_run_whose_worker_is_killed_with_it_is_retried_in_time(processes, settings, conn, redis, slot):
    leave_locks_of_dead_workers(redis)
    with Blocker(settings, BEFORE_COPY):
        worker = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        processes.worker()
        kill(processes, worker)
        killed_at = time.monotonic()

    until(lambda: finished_slots(conn) == [slot], BOUND)
    assert time.monotonic() - killed_at < BOUND
    assert attempts(conn) == {2}


def test_a_run_whose_process_is_killed_is_retried_in_time(processes, settings, conn, redis, slot):
    leave_locks_of_dead_workers(redis)
    with Blocker(settings, BEFORE_COPY):
        worker = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        processes.work_horse(worker).kill()

    until(lambda: finished_slots(conn) == [slot], BOUND)
    assert attempts(conn) == {2}


def test_a_run_is_retried_in_time_after_a_worker_was_killed_while_recovering_it(
    processes, settings, conn, slot
):
    with Blocker(settings, BEFORE_COPY):
        worker = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        kill(processes, worker)
    until(lambda: not someone_waits_for_a_lock(conn))
    with Blocker(settings, "SELECT FROM runs FOR UPDATE"):
        second = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        os.killpg(second.pid, signal.SIGKILL)

    processes.worker()

    until(lambda: finished_slots(conn) == [slot], BOUND)
    assert attempts(conn) == {2}


def test_a_job_that_a_worker_took_and_did_not_begin_is_run(processes, conn, redis, queue, slot):
    redis.lmove(queue.key, queue.intermediate_queue_key)

    processes.worker()

    until(lambda: finished_slots(conn) == [slot], BOUND)
    assert attempts(conn) == {1}
    assert redis.llen(queue.intermediate_queue_key) == 0


def test_a_retry_whose_worker_died_before_it_was_scheduled_is_run(processes, conn, redis, queue, slot):
    job_id = f"simulation-{slot}"
    redis.lrem(queue.key, 1, job_id)
    redis.hset(f"rq:job:{job_id}", "status", "scheduled")
    redis.zadd("rq:wip:runs", {f"{job_id}:execution": 1})

    processes.worker()

    until(lambda: finished_slots(conn) == [slot], BOUND)


def test_a_job_that_waits_for_its_retry_never_expires(processes, settings, conn, redis, queue, slot):
    with Blocker(settings, BEFORE_COPY):
        worker = processes.worker(SCHEDULE_INTERVAL="0.0167")
        until(lambda: someone_waits_for_a_lock(conn))
        processes.work_horse(worker).kill()
        until(lambda: queue.scheduled_job_registry.count)

    assert redis.ttl(f"rq:job:simulation-{slot}") == -1


def test_two_workers_retry_an_abandoned_run_once(processes, settings, conn, slot):
    with Blocker(settings, BEFORE_COPY):
        worker = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        others = [processes.worker() for _ in range(3)]
        kill(processes, worker)

    until(lambda: finished_slots(conn) == [slot], BOUND)
    recovered = [other for other in others if f"job simulation-{slot}: its worker died" in other.log]
    assert len(recovered) == 1
    assert attempts(conn) == {2}


def heartbeat(redis) -> float:
    """When the one job in progress was last said to be alive, and three seconds; 0 if there is none."""
    return max((score for _, score in redis.zrange("rq:wip:runs", 0, -1, withscores=True)), default=0)


def test_a_run_whose_worker_lives_is_not_abandoned_after_redis_was_unreachable(
    own_redis, environment, processes, conn
):
    settings = Settings.from_env(environment)
    redis = queue_redis(settings)
    slot = now_slot()
    partitions.ensure(conn, datetime.fromtimestamp(slot, UTC).date())
    conn.commit()
    enqueue_simulation(runs_queue(redis), settings, slot)
    with Blocker(settings, BEFORE_COPY):
        busy = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        idle = [processes.worker() for _ in range(2)]
        until(lambda: all("Listening" in worker.log for worker in idle))
        redis.save()
        own_redis.stop()
        until(lambda: "no heartbeat" in busy.log)
        time.sleep(6)
        own_redis.start()
        returned = time.time()
        until(lambda: heartbeat(redis) > returned + 5)

    assert not any("its worker died" in worker.log for worker in idle)
    until(lambda: finished_slots(conn) == [slot])
    assert attempts(conn) == {1}


def test_only_what_stays_the_same_at_every_look_is_unchanged():
    seen = Unchanged()

    assert seen.since({b"same": 1, b"moves": 1, b"returns": 1}, 0.05) == []
    seen.since({b"same": 1, b"moves": 2}, 0.05)
    time.sleep(0.1)

    assert seen.since({b"same": 1, b"moves": 3, b"returns": 1}, 0.05) == [b"same"]
