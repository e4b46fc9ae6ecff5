"""Another application with RQ and rq-scheduler on the same Redis database: neither disturbs the other."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rq import Queue
from rq.job import Job
from rq_scheduler import Scheduler

from jobs.scheduler import SlotScheduler
from tests.jobs.system import finished_slots, until

BIN = Path(sys.executable).parent


@pytest.fixture
def foreign(processes, settings):
    """Starts a program of the other application on this test's Redis."""

    def start(program: str, *arguments: str):
        return processes.start(str(BIN / program), *arguments, "--url", f"unix://{settings.redis_host}")

    return start


def schedule_of(redis) -> list:
    return redis.zrange(SlotScheduler.scheduled_jobs_key, 0, -1)


def test_their_scheduler_and_worker_and_ours_work_next_to_each_other(processes, foreign, redis, conn):
    theirs = Scheduler("mails", connection=redis)
    theirs.schedule(datetime.now(UTC), time.sleep, args=[0], interval=1, id="their-entry")
    job = Queue("mails", connection=redis).enqueue("time.sleep", 0, result_ttl=-1)
    programs = [
        processes.scheduler("--run-now"),
        processes.worker(),
        foreign("rqscheduler", "--interval", "1"),
        foreign("rq", "worker", "mails"),
    ]

    until(lambda: finished_slots(conn) and job.get_status() == "finished")
    ended = Job.fetch("their-entry", redis).ended_at
    until(lambda: Job.fetch("their-entry", redis).ended_at != ended)
    assert [program.poll() for program in programs] == [None] * len(programs)
    assert "their-entry" in theirs
    assert len(schedule_of(redis)) == 2


def test_their_job_in_our_queue_fails_with_all_that_it_was(processes, redis, queue):
    job = Queue("runs", connection=redis).enqueue("time.sleep", 0, meta={"theirs": True})
    before = redis.hgetall(job.key)
    worker = processes.worker()

    until(lambda: queue.failed_job_registry.get_job_ids() == [job.id])
    after = Job.fetch(job.id, redis)
    assert (after.func_name, after.args, after.meta) == ("time.sleep", (0,), {"theirs": True})
    assert redis.hget(job.key, "data") == before[b"data"]
    assert f"job {job.id} refused: " in worker.log
    assert worker.poll() is None


def test_their_job_is_kept_if_its_id_is_in_our_schedule(redis, settings):
    job = Job.create(print, id="theirs", connection=redis, origin="mails")
    job.save()
    redis.zadd(SlotScheduler.scheduled_jobs_key, {"theirs": 1})

    SlotScheduler(redis, settings).poll()

    assert b"theirs" not in schedule_of(redis)
    assert Job.fetch("theirs", redis).func_name == "builtins.print"
