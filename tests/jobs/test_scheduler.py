"""The scheduler's entries in Redis and what it enqueues, with a clock that the test sets."""

from dataclasses import replace

import pytest
from rq.job import Job
from rq_scheduler import Scheduler

from jobs.scheduler import SlotScheduler
from tests.measured import measurement
from webapp.queue import JSONJob

NOW = 1_800_000_000 + 1234.5
MINUTES = 60
INTERVAL = 10 * MINUTES
ENTRIES = ["llm-benchmark-every-maintenance", "llm-benchmark-every-simulation"]
SIMULATION = "llm-benchmark-every-simulation"


class Clock:
    """A clock that moves when the test says so."""

    def __init__(self):
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_scheduler(redis, settings, clock):
    """Makes schedulers on this test's Redis, each as after a restart with other settings."""
    return lambda measurements=(), **changes: SlotScheduler(
        redis, replace(settings, **changes), measurements, clock
    )


def slot(interval: int, time: float = NOW) -> int:
    return int(time // interval) * interval


def entries(redis) -> dict[str, float]:
    return {name.decode(): due for name, due in redis.zscan_iter(SlotScheduler.scheduled_jobs_key)}


def test_a_new_schedule_begins_with_the_current_slots(make_scheduler, queue, redis):
    make_scheduler().poll()

    assert sorted(queue.job_ids) == [f"maintenance-{slot(3600)}", f"simulation-{slot(INTERVAL)}"]
    assert sorted(entries(redis)) == ENTRIES
    assert entries(redis)[SIMULATION] == slot(INTERVAL) + INTERVAL


def test_each_slot_is_enqueued_once_when_it_is_due(make_scheduler, queue, clock):
    schedulers = [make_scheduler(), make_scheduler()]
    for minute in range(31):
        clock.now = slot(INTERVAL) + minute * MINUTES
        for scheduler in schedulers:
            scheduler.poll()

    simulations = [job_id for job_id in queue.job_ids if job_id.startswith("simulation-")]
    assert simulations == [f"simulation-{slot(INTERVAL) + n * INTERVAL}" for n in range(4)]


def test_slots_missed_while_no_scheduler_runs_are_skipped(make_scheduler, queue, redis, clock):
    make_scheduler().poll()
    clock.now += 5 * INTERVAL

    make_scheduler().poll()

    simulations = [job_id for job_id in queue.job_ids if job_id.startswith("simulation-")]
    assert simulations == [f"simulation-{slot(INTERVAL, time)}" for time in (NOW, clock.now)]
    assert entries(redis)[SIMULATION] > clock.now


def test_a_measurement_has_an_entry_with_its_interval(make_scheduler, queue, redis):
    planned = measurement(interval=60)

    make_scheduler([planned]).poll()

    assert f"measurement-{planned.slug}-{slot(60)}" in queue.job_ids
    assert entries(redis)[f"llm-benchmark-every-measurement-{planned.slug}"] == slot(60) + 60


def test_a_changed_interval_replaces_the_entry_from_its_next_slot(make_scheduler, queue, redis):
    make_scheduler().poll()
    before = queue.job_ids

    make_scheduler(schedule_interval=420).poll()

    assert queue.job_ids == before
    assert sorted(entries(redis)) == ENTRIES
    assert entries(redis)[SIMULATION] == slot(420) + 420
    assert sorted(key.decode() for key in redis.keys("rq:job:*every-*")) == [
        f"rq:job:{name}" for name in ENTRIES
    ]


def test_an_entry_that_is_no_longer_wanted_is_removed(make_scheduler, redis):
    planned = measurement()
    make_scheduler([planned]).poll()

    make_scheduler().poll()

    assert sorted(entries(redis)) == ENTRIES
    assert not redis.exists(JSONJob.key_for(f"llm-benchmark-every-measurement-{planned.slug}"))


def test_an_entry_of_a_scheduler_with_another_benchmark_file_is_not_run(make_scheduler, queue, redis):
    make_scheduler([measurement()]).reconcile()

    make_scheduler().enqueue_jobs()

    assert not [job_id for job_id in queue.job_ids if job_id.startswith("measurement-")]


def test_an_emptied_redis_is_filled_at_the_next_poll(make_scheduler, queue, redis):
    scheduler = make_scheduler()
    scheduler.poll()
    redis.flushall()

    scheduler.poll()

    assert sorted(entries(redis)) == ENTRIES
    assert f"simulation-{slot(INTERVAL)}" in queue.job_ids


def test_run_now_enqueues_a_simulation_and_continues_with_the_next_slot(make_scheduler, queue, redis, clock):
    scheduler = make_scheduler()
    scheduler.run_now()
    scheduler.poll()

    assert queue.job_ids == [f"simulation-{int(NOW)}"]
    assert entries(redis)[SIMULATION] == slot(INTERVAL) + INTERVAL


def test_run_now_measures_in_the_current_slot(make_scheduler, queue):
    planned = measurement(interval=60)
    scheduler = make_scheduler([planned])
    scheduler.run_now()
    scheduler.poll()

    assert f"measurement-{planned.slug}-{slot(60)}" in queue.job_ids


@pytest.fixture
def other_application(redis):
    return Scheduler(queue_name="other", connection=redis)


def other_state(redis):
    jobs = sorted(redis.keys("rq:job:other-*") + redis.keys("rq:job:every-*"))
    return redis.zrange(Scheduler.scheduled_jobs_key, 0, -1, withscores=True), [
        redis.hgetall(key) for key in jobs
    ]


@pytest.mark.parametrize("job_id", ["other-job", "every-night", "every-simulation"])
def test_entries_of_other_applications_are_left_alone(
    make_scheduler, other_application, redis, queue, job_id
):
    job = Job.create(print, id=job_id, connection=redis, origin="other")
    job.save()
    redis.zadd(Scheduler.scheduled_jobs_key, {job_id: NOW - 1, "other-lost": NOW - 1})
    before = other_state(redis)

    scheduler = make_scheduler()
    for _ in range(2):
        scheduler.poll()

    assert other_state(redis) == before
    assert redis.llen("rq:queue:other") == 0
    assert sorted(queue.job_ids) == [f"maintenance-{slot(3600)}", f"simulation-{slot(INTERVAL)}"]


def test_schedulers_of_other_applications_do_not_take_entries(make_scheduler, other_application, redis):
    make_scheduler().poll()
    assert other_application.acquire_lock()

    assert list(other_application.get_jobs()) == []
    assert make_scheduler().acquire_lock()
