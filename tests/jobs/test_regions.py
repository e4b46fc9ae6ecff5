"""Regions: each has its queue and its workers, and takes part in the schedule with its own slots."""

import signal
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from jobs import recovery
from jobs.run_job import RunJob
from jobs.scheduler import SlotScheduler
from jobs.start import served_regions
from jobs.supervisor import commands, worker_count
from jobs.worker import make_worker
from tests.jobs.system import until
from tests.jobs.test_scheduled_measurements import FEW, WORKER
from tests.measured import measurement
from tests.support import query
from webapp.plan.measurement import Task, tasks
from webapp.queue.enqueue import enqueue_maintenance, enqueue_measurement, enqueue_missed, enqueue_shards
from webapp.queue.functions import refusal, slot_of
from webapp.queue.queues import known_regions, runs_queue
from webapp.redis import queue_redis

EVERYWHERE = [measurement(region=region) for region in (None, "eu", "us")]


def slots(conn, scenario: str) -> list[int]:
    """The slots (Unix seconds) of the scenario's finished runs."""
    rows = query(
        conn,
        "SELECT extract(epoch FROM slot)::bigint FROM runs JOIN scenarios ON scenarios.id = scenario_id"
        " WHERE name = %s AND status = 'finished' ORDER BY slot",
        scenario,
    )
    return [slot for (slot,) in rows]


@pytest.mark.moments
def test_two_schedulers_and_the_workers_of_two_regions_run_each_slot_of_each_region_once(
    processes, conn, redis, mock_servers, declare_llms
):
    url = mock_servers.start(ttft=0.005, itl=0)
    declare_llms({"Fast": url}, f"concurrency: 1, regions: [eu, us], interval: 0.05, {FEW}")
    workers = [processes.start(*WORKER, REGION=region) for region in ("eu", "us")]
    for _ in range(2):
        processes.scheduler()

    until(lambda: all(len(slots(conn, f"chat@c1@{region}")) >= 2 for region in ("eu", "us")), 60)

    for worker in workers:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    for region, worker in zip(("eu", "us"), workers, strict=True):
        measured = slots(conn, f"chat@c1@{region}")
        assert measured == list(range(measured[0], measured[-1] + 1, 3))
        job_ids = query(
            conn, "SELECT job_id FROM runs JOIN scenarios ON scenarios.id = scenario_id WHERE name = %s",
            f"chat@c1@{region}",
        )  # fmt: skip
        assert all(f"-{region}-" in job_id and job_id in worker.log for (job_id,) in job_ids)
    assert query(conn, "SELECT FROM runs WHERE attempts > 1 OR status <> 'finished'") == []


def test_the_jobs_of_each_region_have_their_queue_and_ids(redis, settings):
    for task in tasks(EVERYWHERE):
        assert enqueue_measurement(runs_queue(redis), settings, 600, task)

    ids = [runs_queue(redis, region).job_ids for region in (None, "eu", "us")]
    assert [len(each) for each in ids] == [1, 1, 1]
    assert len({job_id for each in ids for job_id in each}) == 3
    assert known_regions(redis) == [None, "eu", "us"]


def test_a_worker_is_refused_the_jobs_of_other_regions(redis, settings):
    for each in EVERYWHERE:
        enqueue_measurement(runs_queue(redis), settings, 600, Task(each.scenario, (each,)))
        enqueue_measurement(runs_queue(redis), settings, 600, Task(each.task_name, (each,)))
    enqueue_maintenance(runs_queue(redis), settings, 600)

    for region in (None, "eu", "us"):
        for of in (None, "eu", "us"):
            jobs = runs_queue(redis, of).jobs
            assert len(jobs) == (3 if of is None else 2)
            for job in jobs:
                reason = refusal(job, region)
                assert reason is None if of == region else "not this worker's; expected 'runs" in reason


def test_the_slot_of_each_job_is_known(redis, settings):
    queue = runs_queue(redis)
    enqueue_measurement(queue, settings, 600, Task("chat", (EVERYWHERE[0],)))
    enqueue_shards(queue, settings, measurement(shards=3), 600, uuid4())
    enqueue_missed(queue, settings, "LLM", "chat", 60, 600, 1200)
    enqueue_maintenance(queue, settings, 600)

    assert [slot_of(job) for job in queue.jobs] == [600] * 5


def test_a_job_belongs_to_the_queue_of_its_worker_whatever_its_hash_says(redis, settings):
    enqueue_measurement(runs_queue(redis), settings, 600, Task("chat@@eu", (EVERYWHERE[1],)))
    (job_id,) = runs_queue(redis, "eu").job_ids
    redis.hset(f"rq:job:{job_id}", "origin", "runs-us")

    worker = make_worker(replace(settings, region="eu"), redis)

    assert worker.job_class.fetch(job_id, connection=redis).origin == "runs-eu"
    assert RunJob.fetch(job_id, connection=redis).origin == "runs"


def test_workers_without_a_region_return_what_a_dead_worker_of_a_region_has_popped(
    redis, settings, monkeypatch
):
    monkeypatch.setattr(recovery, "CONFIRMATION_SECONDS", 0)
    enqueue_measurement(runs_queue(redis), settings, 600, Task("chat@@eu", (EVERYWHERE[1],)))
    queue = runs_queue(redis, "eu")
    redis.lmove(queue.key, queue.intermediate_queue_key, "LEFT", "RIGHT")

    make_worker(replace(settings, region="us"), queue_redis(settings)).run_maintenance_tasks()
    assert queue.count == 0

    make_worker(settings, queue_redis(settings)).run_maintenance_tasks()
    assert queue.count == 1


def test_slots_that_no_worker_of_a_region_could_take_are_recorded_as_missed_by_the_others(redis, settings):
    now = time.time()
    long_ago = SlotScheduler(redis, settings, EVERYWHERE[1:2], clock=lambda: now - 3_600_000)
    long_ago.poll()
    for key in redis.scan_iter("rq:job:measurement-*"):
        redis.hset(key, "status", "finished")

    SlotScheduler(redis, settings, EVERYWHERE[1:2], clock=lambda: now).poll()

    assert len(runs_queue(redis, "eu").job_ids) == 1 + 10
    missed = [job for job in runs_queue(redis).jobs if job.func_name == "jobs.missed.record_missed"]
    assert "chat@c8@eu" in [job.args[1] for job in missed]


def test_make_start_runs_the_workers_of_its_region_and_one_for_the_simulation(settings, caplog):
    regions = served_regions(replace(settings, region="eu"), EVERYWHERE)
    workers = {region: worker_count(EVERYWHERE[1:], region) for region in regions}

    found = commands(["worker"], workers, ())

    assert {label: own["REGION"] for label, (_, own) in found.items()} == {"worker": "", "worker-eu": "eu"}
    assert worker_count(EVERYWHERE) == 2
    (warning,) = caplog.messages
    assert warning.startswith("region us: no worker of this machine measures from there; expected REGION=us")
