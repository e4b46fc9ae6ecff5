"""Processes killed with SIGKILL at the worst moments: a slot is stored once, by the retry if necessary.

A lock that the test holds in the database stops the run at exactly the wanted statement; nothing is patched.
"""

import os
import signal

import pytest

from tests.jobs.system import (
    Blocker,
    assert_answer_is_right,
    assert_exactly_once,
    finished_slots,
    someone_waits_for_a_lock,
    until,
)
from tests.support import query

AT_COPY = "LOCK TABLE points IN SHARE MODE"
AFTER_COPY = "LOCK TABLE rollups IN SHARE MODE"
AFTER_COMMIT = "SELECT FROM generation FOR UPDATE"


def wait_until_blocked(conn) -> None:
    until(lambda: someone_waits_for_a_lock(conn))


def attempts(conn) -> set[int]:
    return {number for (number,) in query(conn, "SELECT attempts FROM runs")}


def wait_until_published(conn, slot) -> None:
    until(lambda: finished_slots(conn) == [slot])
    until(lambda: query(conn, "SELECT count(*) FROM runs WHERE generation IS NULL") == [(0,)])


@pytest.mark.parametrize(
    ("place", "tries"),
    [(AT_COPY, 2), (AFTER_COPY, 2), (AFTER_COMMIT, 1)],
    ids=["before COPY", "between COPY and commit", "between commit and refresh"],
)
def test_a_run_whose_process_is_killed_is_completed_by_its_retry(
    processes, settings, conn, client, slot, place, tries
):
    with Blocker(settings, place):
        worker = processes.worker()
        wait_until_blocked(conn)
        processes.work_horse(worker).kill()

    wait_until_published(conn, slot)

    assert_exactly_once(conn, [slot])
    assert attempts(conn) == {tries}
    assert_answer_is_right(client, conn)


@pytest.mark.parametrize("place", [AT_COPY, AFTER_COPY, AFTER_COMMIT])
def test_a_run_whose_worker_is_killed_with_it_is_completed_by_another_worker(
    processes, settings, conn, client, slot, place
):
    with Blocker(settings, place):
        worker = processes.worker()
        wait_until_blocked(conn)
        work_horse = processes.work_horse(worker)
        os.killpg(worker.pid, signal.SIGKILL)
        work_horse.kill()

    processes.worker()
    wait_until_published(conn, slot)

    assert_exactly_once(conn, [slot])
    assert_answer_is_right(client, conn)


@pytest.mark.parametrize("lock_lost", [False, True], ids=["lock held", "lock lost"])
def test_a_run_that_survives_its_worker_and_the_retry_write_once_between_them(
    processes, settings, conn, redis, client, slot, lock_lost
):
    with Blocker(settings, AFTER_COPY):
        worker = processes.worker()
        wait_until_blocked(conn)
        orphan = processes.work_horse(worker)
        os.kill(worker.pid, signal.SIGKILL)
        if lock_lost:
            redis.delete(*redis.keys("llm-benchmark:lock:*"))
        second = processes.worker()
        processes.work_horse(second)
        assert orphan.is_running()

    wait_until_published(conn, slot)
    until(lambda: not orphan.is_running() or orphan.status() == "zombie")

    assert_exactly_once(conn, [slot])
    assert_answer_is_right(client, conn)


def test_a_run_that_is_killed_at_every_attempt_ends_as_failed_with_the_reason(
    processes, settings, conn, slot
):
    with Blocker(settings, AFTER_COPY):
        worker = processes.worker()
        for attempt in range(1, settings.max_retries + 2):
            until(lambda attempt=attempt: attempts(conn) == {attempt} and someone_waits_for_a_lock(conn))
            processes.work_horse(worker).kill()
            until(lambda: query(conn, "SELECT DISTINCT status FROM runs") == [("failed",)])

    ((error,),) = query(conn, "SELECT DISTINCT error FROM runs")
    assert "killed" in error
    assert query(conn, "SELECT count(*) FROM points") == [(0,)]
    until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
