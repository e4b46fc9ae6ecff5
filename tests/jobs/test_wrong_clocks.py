"""Clocks that are wrong: nothing runs in the future, and what did is not shown."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from jobs.maintenance import run_maintenance
from jobs.missed import record_missed
from jobs.simulation_run import fill_slot
from tests.jobs.system import finished_slots, until
from tests.support import query
from tests.tools import find, needs
from tests.web import clean_environment
from webapp.ingest.publish import publish
from webapp.ingest.verify import differences
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import runs_queue
from webapp.settings import ROOT
from webapp.store import clock
from webapp.store.clock import FutureSlotError

AHEAD = timedelta(days=2)


@pytest.fixture(autouse=True)
def future_slots():
    """These tests use present slots, and future ones are refused."""


def present(interval: int = 600) -> datetime:
    return datetime.fromtimestamp(time.time() // interval * interval, UTC)


def fake(*command: str, offset: str, environment: dict[str, str]) -> subprocess.Popen:
    """Start a command of this project whose clock is off."""
    return subprocess.Popen(
        [find("faketime"), "-f", offset, sys.executable, *command],
        cwd=ROOT,
        env={**clean_environment(), **environment},
        start_new_session=True,
    )


@needs("faketime")
def test_a_scheduler_whose_clock_is_two_days_ahead_enqueues_what_is_due_by_the_clock_of_redis(
    environment, settings, redis
):
    every_second = {**environment, "SCHEDULE_INTERVAL": "0.0167", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    begun = int(time.time())
    scheduler = fake("-m", "jobs.scheduler", offset="+2d", environment=every_second)
    try:
        queued = until(lambda: [i for i in runs_queue(redis).job_ids if i.startswith("simulation-")][1:])
    finally:
        os.killpg(scheduler.pid, signal.SIGTERM)  # faketime waits for the scheduler, its child
        scheduler.wait()

    slots = [int(job_id.removeprefix("simulation-")) for job_id in queued]
    assert all(begun <= slot <= time.time() for slot in slots)


def test_a_job_of_a_future_slot_is_dropped_so_that_the_slot_can_run_in_its_time(
    processes, settings, redis, conn
):
    slot = int((present() + AHEAD).timestamp())
    enqueue_simulation(runs_queue(redis), settings, slot)

    processes.worker()

    until(lambda: not redis.exists(JSONJob.key_for(f"simulation-{slot}")))
    assert query(conn, "SELECT count(*) FROM runs") == [(0,)]
    assert enqueue_simulation(runs_queue(redis), settings, slot)


def test_a_future_slot_is_refused_with_how_far_it_is(settings, conn):
    with pytest.raises(FutureSlotError, match=r"slot 20.* 17\d{4} s in the future; check Redis' clock"):
        fill_slot(conn, settings, present() + AHEAD, "job")


def test_a_slot_within_the_tolerance_is_run(settings, conn):
    fill_slot(conn, settings, present(1) + clock.TOLERANCE - timedelta(seconds=30), "job")

    assert len(finished_slots(conn)) == 1


@pytest.fixture
def fast_clocks(settings, conn, redis, monkeypatch):
    """The state of a system whose clocks were all two days ahead for one run, and are right again."""
    fill_slot(conn, settings, present() - timedelta(hours=1), "before")
    with monkeypatch.context() as fast:
        fast.setattr(clock, "TOLERANCE", 2 * AHEAD)
        fill_slot(conn, settings, present() + AHEAD, "ahead")
        publish(conn, settings, redis)


@pytest.mark.usefixtures("fast_clocks")
def test_runs_that_were_stored_while_all_clocks_were_ahead_are_marked_and_no_longer_shown(
    settings, conn, redis
):
    shown = "SELECT DISTINCT last_measured FROM metric_means WHERE time_window = 'latest'"
    assert query(conn, shown) == [(present() + AHEAD,)]

    fill_slot(conn, settings, present(), "now")
    publish(conn, settings, redis)

    assert query(conn, shown) == [(present(),)]
    marked = query(conn, "SELECT DISTINCT job_id, invalid_reason FROM runs WHERE status = 'invalid'")
    assert marked == [("ahead", "its slot was in the future: the clocks were ahead")]
    assert query(conn, "SELECT DISTINCT runs FROM metric_means WHERE time_window = 'all'") == [(2,)]
    conn.rollback()
    assert list(differences(conn, settings, datetime.now(UTC))) == []


@pytest.mark.usefixtures("own_environment")
def test_slots_in_the_future_are_not_recorded_as_missed(conn):
    first, last = int(present().timestamp()), int((present() + AHEAD).timestamp())
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE llms SET created_at = '2020-01-01'")

    record_missed("", "default", 600, first, last)

    recorded = query(conn, "SELECT min(slot), max(slot) FROM runs WHERE status = 'missed'")
    assert recorded[0][0].timestamp() == first
    assert recorded[0][1] <= datetime.now(UTC) + clock.TOLERANCE


@needs("faketime")
@pytest.mark.usefixtures("own_environment")
def test_retention_by_a_clock_that_is_a_year_ahead_drops_nothing(environment, settings, conn):
    fill_slot(conn, settings, present(), "job")
    run_maintenance(0)
    stored = query(conn, "SELECT count(*) FROM points")
    conn.rollback()

    run = "from jobs.maintenance import run_maintenance; run_maintenance(0)"
    assert fake("-c", run, offset="+365d", environment=environment).wait() == 0

    assert query(conn, "SELECT count(*) FROM points") == stored
