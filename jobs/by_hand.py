"""Runs that someone asks for: enqueued at once, and looked up while they wait and run."""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from redis import Redis
from rq.job import Job, JobStatus

from jobs.queue import enqueue_measurement, enqueue_simulation, measurement_job_id, runs_queue

if TYPE_CHECKING:
    # Not when it runs: the web application imports this module.
    from webapp.measurements import Measurement
    from webapp.settings import Settings

# Of all that RQ and rq-scheduler keep, only these are runs.
JOB_ID = re.compile(r"simulation-[0-9]+|measurement-[a-z0-9-]+-[0-9]+")
ASKED = "llm-benchmark:asked-by-hand"
LOCK = "llm-benchmark:lock:asked-by-hand"
LOCK_SECONDS = 5

STATUSES = ("queued", "running", "finished", "failed")
IN_OUR_WORDS = {
    JobStatus.STARTED: "running",
    JobStatus.FINISHED: "finished",
    JobStatus.FAILED: "failed",
    JobStatus.STOPPED: "failed",
    JobStatus.CANCELED: "failed",
}


def request_simulation(redis: Redis, settings: "Settings") -> str:
    """Enqueue a simulation of this very second and return its job's id.

    While an earlier one that was asked for so still waits, it is that one's id, and nothing is enqueued.
    Raises redis.RedisError when Redis is away.
    """
    slot = int(time.time())
    enqueue = partial(enqueue_simulation, runs_queue(redis), settings, slot)
    return _unless_waiting(redis, ASKED, f"simulation-{slot}", enqueue)


def request_measurement(redis: Redis, settings: "Settings", measurement: "Measurement") -> str:
    """Enqueue a measurement of this very second and return its job's id.

    While an earlier one of it that was asked for so still waits, also for its endpoint, it is that one's id,
    and nothing is enqueued. Raises redis.RedisError when Redis is away.
    """
    slot = int(time.time())
    enqueue = partial(enqueue_measurement, runs_queue(redis), settings, slot, measurement)
    asked = f"{ASKED}:{measurement.slug}"
    return _unless_waiting(redis, asked, measurement_job_id(measurement, slot), enqueue)


def _unless_waiting(redis: Redis, asked: str, job_id: str, enqueue: Callable[[], bool]) -> str:
    """The id, noted under `asked`, of a job that waits already; else of the one that is enqueued now."""
    with redis.lock(LOCK, timeout=LOCK_SECONDS, blocking_timeout=LOCK_SECONDS):
        waiting = cast("bytes | None", redis.get(asked))
        if waiting and job_status(redis, waiting.decode()) == "queued":
            return waiting.decode()
        # Noted first: one who dies in between leaves the id of a job that does not wait.
        redis.set(asked, job_id)
        enqueue()
        return job_id


def job_status(redis: Redis, job_id: str) -> str | None:
    """One of STATUSES, where a job between two attempts is queued; None if Redis knows no such run."""
    if not JOB_ID.fullmatch(job_id):
        return None
    status = cast("bytes | None", redis.hget(Job.key_for(job_id), "status"))
    return IN_OUR_WORDS.get(JobStatus(status.decode()), "queued") if status else None
