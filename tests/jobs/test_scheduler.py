"""The scheduler's entries in Redis and what it enqueues, with a clock that the test sets."""

from dataclasses import replace

import pytest
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from jobs.scheduler import SlotScheduler
from llm_measure.workloads import Load
from tests.measured import measurement
from webapp.plan.measurement import tasks
from webapp.queue.durations import OVERHEAD_SECONDS
from webapp.queue.functions import RECORD_MISSED
from webapp.queue.json_job import JSONJob

NOW = 4_102_473_600 + 1234.5
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


def simulations(queue) -> list[str]:
    return [job_id for job_id in queue.job_ids if job_id.startswith("simulation-")]


def test_slots_that_became_due_while_no_scheduler_ran_are_all_enqueued(make_scheduler, queue, redis, clock):
    make_scheduler().poll()
    clock.now += 5 * INTERVAL

    make_scheduler().poll()

    assert simulations(queue) == [f"simulation-{slot(INTERVAL) + n * INTERVAL}" for n in range(6)]
    assert entries(redis)[SIMULATION] > clock.now


def test_of_more_than_ten_such_slots_the_older_are_recorded_as_missed(make_scheduler, queue, redis, clock):
    make_scheduler().poll()
    queue.empty()
    clock.now += 25 * INTERVAL

    make_scheduler().poll()

    newest = slot(INTERVAL) + 25 * INTERVAL
    assert simulations(queue) == [f"simulation-{newest - back * INTERVAL}" for back in range(9, -1, -1)]
    (recording,) = [job for job in queue.jobs if job.func_name == RECORD_MISSED]
    assert recording.args == ["", "default", INTERVAL, slot(INTERVAL) + INTERVAL, newest - 10 * INTERVAL]
    assert entries(redis)[SIMULATION] == newest + INTERVAL


def test_an_entry_stays_due_while_ten_of_its_slots_wait(make_scheduler, queue, redis, clock):
    scheduler = make_scheduler()
    scheduler.poll()
    for _ in range(30):
        clock.now += INTERVAL
        scheduler.poll()
    waiting = simulations(queue)
    assert waiting == [f"simulation-{slot(INTERVAL) + n * INTERVAL}" for n in range(10)]
    assert entries(redis)[SIMULATION] == slot(INTERVAL) + 10 * INTERVAL

    redis.lrem(queue.key, 1, waiting[0])
    redis.hset(JSONJob.key_for(waiting[0]), "status", "started")
    scheduler.poll()

    newest = slot(INTERVAL) + 30 * INTERVAL
    assert simulations(queue)[-10:] == [f"simulation-{newest - n * INTERVAL}" for n in range(9, -1, -1)]
    assert entries(redis)[SIMULATION] == newest + INTERVAL


def test_slots_that_wait_for_a_retry_do_not_hold_up_the_next_ones(make_scheduler, queue, redis, clock):
    scheduler = make_scheduler()
    for _ in range(15):
        scheduler.poll()
        for job_id in simulations(queue):
            redis.hset(JSONJob.key_for(job_id), mapping={"status": "scheduled", "retries_left": 1})
        clock.now += INTERVAL

    assert len(simulations(queue)) == 15


def test_the_lock_of_a_stuck_scheduler_of_a_former_version_stops_nobody(make_scheduler, queue, redis):
    redis.set("llm-benchmark:lock:schedule", "stuck")

    make_scheduler().poll()

    assert simulations(queue) == [f"simulation-{slot(INTERVAL)}"]


@pytest.mark.parametrize("due", ["inf", "-inf", "-1", str(NOW + 2 * INTERVAL)])
def test_an_entry_with_an_impossible_time_is_due_again(make_scheduler, queue, redis, due):
    make_scheduler().poll()
    queue.empty()
    redis.zadd(SlotScheduler.scheduled_jobs_key, {SIMULATION: due})

    make_scheduler().poll()

    assert simulations(queue) == [f"simulation-{slot(INTERVAL)}"]


def test_hostile_entries_and_hashes_are_removed_or_replaced(make_scheduler, queue, redis):
    make_scheduler().poll()
    queue.empty()
    hostile = {b"\xff": 1, "os.system": 1, "": 1, SIMULATION: slot(INTERVAL)}
    redis.zadd(SlotScheduler.scheduled_jobs_key, hostile)
    redis.hset(JSONJob.key_for(SIMULATION), mapping={"status": "nonsense", "meta": "[]"})
    redis.hset(JSONJob.key_for(ENTRIES[0]), "meta", '{"interval": "x", "since": null, "resumed": 1}')

    make_scheduler().poll()

    assert sorted(entries(redis)) == ENTRIES
    assert simulations(queue) == [f"simulation-{slot(INTERVAL)}"]


class StuckClock(Clock):
    """A clock at whose nth call the process is stuck, while `meanwhile` happens."""

    def __init__(self, calls: int, meanwhile):
        super().__init__()
        self.calls = calls
        self.meanwhile = meanwhile

    def __call__(self) -> float:
        now = self.now
        self.calls -= 1
        if self.calls == 0:
            self.meanwhile()
        return now


@pytest.mark.parametrize("interval", [INTERVAL, 7 * MINUTES], ids=["due", "changed"])
@pytest.mark.parametrize("calls", range(1, 5))
def test_a_scheduler_that_was_stuck_neither_moves_an_entry_back_nor_enqueues_a_slot_twice(
    make_scheduler, redis, settings, queue, clock, calls, interval
):
    make_scheduler().poll()
    changed = replace(settings, schedule_interval=interval)
    seen = []

    def others_work() -> None:
        for _ in range(5):
            clock.now += interval
            make_scheduler(schedule_interval=interval).poll()
        seen.append(entries(redis))

    stuck = SlotScheduler(redis, changed, (), StuckClock(calls, others_work))
    stuck.clock.now = clock.now + INTERVAL
    stuck.poll()

    if seen:
        assert entries(redis) == seen[0]
    assert len(simulations(queue)) == len(set(simulations(queue)))


def test_a_measurement_has_an_entry_with_its_interval(make_scheduler, queue, redis):
    planned = measurement(interval=60)

    make_scheduler([planned]).poll()

    (task,) = tasks([planned])
    assert f"measurement-{task.slug}-{slot(60)}" in queue.job_ids
    assert entries(redis)[f"llm-benchmark-every-measurement-{task.slug}"] == slot(60) + 60


def test_the_levels_of_a_workload_share_an_entry_and_each_level_is_missed(
    make_scheduler, queue, redis, clock
):
    levels = [measurement(load=Load(concurrency=n, requests=1)) for n in (1, 8)]
    make_scheduler(levels).poll()
    (job_id,) = [job_id for job_id in queue.job_ids if job_id.startswith("measurement-")]
    assert Job.fetch(job_id, redis, JSONSerializer).timeout == sum(
        level.longest_s + OVERHEAD_SECONDS for level in levels
    )
    queue.empty()
    clock.now += 25 * INTERVAL

    make_scheduler(levels).poll()

    missed = [job.args[:2] for job in queue.jobs if job.func_name == RECORD_MISSED]
    assert sorted(missed) == [["", "default"], ["Measured", "chat@c1"], ["Measured", "chat@c8"]]
    assert len([job_id for job_id in queue.job_ids if job_id.startswith("measurement-")]) == 10


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
    assert not redis.exists(JSONJob.key_for(f"llm-benchmark-every-measurement-{tasks([planned])[0].slug}"))


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

    assert f"measurement-{tasks([planned])[0].slug}-{slot(60)}" in queue.job_ids


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

    assert list(other_application.get_jobs()) == []
