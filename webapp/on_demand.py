"""Runs on demand: enqueued immediately, and looked up while they wait and run."""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import cast

from redis import Redis
from rq.job import Job, JobStatus

from webapp.plan.measurement import Measurement
from webapp.queue import (
    enqueue_measurement,
    enqueue_simulation,
    measurement_job_id,
    runs_queue,
    simulation_job_id,
)
from webapp.settings import Settings

# Of all that RQ and rq-scheduler keep, only these are runs.
JOB_ID = re.compile(r"simulation-[0-9]+|measurement-[a-z0-9-]+-[0-9]+")
REQUESTED = "llm-benchmark:requested-on-demand"
LOCK = "llm-benchmark:lock:requested-on-demand"
LOCK_SECONDS = 5

STATUSES = ("queued", "running", "finished", "failed")
STATUS_BY_RQ = {
    JobStatus.STARTED: "running",
    JobStatus.FINISHED: "finished",
    JobStatus.FAILED: "failed",
    JobStatus.STOPPED: "failed",
    JobStatus.CANCELED: "failed",
}


def request_simulation(redis: Redis, settings: Settings) -> str:
    """Enqueue a simulation for the current second and return its job's id.

    While an earlier one on demand is still queued, return that one's id and enqueue nothing. Raises
    redis.RedisError if Redis is unreachable.
    """
    slot = int(time.time())
    enqueue = partial(enqueue_simulation, runs_queue(redis), settings, slot)
    return _unless_queued(redis, REQUESTED, simulation_job_id(slot), enqueue)


def request_measurement(redis: Redis, settings: Settings, measurement: Measurement) -> str:
    """Enqueue a measurement for the current second and return its job's id.

    While an earlier one on demand is still queued, also for its endpoint, return that one's id and enqueue
    nothing. Raises redis.RedisError if Redis is unreachable.
    """
    slot = int(time.time())
    enqueue = partial(enqueue_measurement, runs_queue(redis), settings, slot, measurement)
    requested = f"{REQUESTED}:{measurement.slug}"
    return _unless_queued(redis, requested, measurement_job_id(measurement, slot), enqueue)


def _unless_queued(redis: Redis, requested: str, job_id: str, enqueue: Callable[[], bool]) -> str:
    """Return the id, noted under the key `requested`, of a job that is queued; else enqueue the new one."""
    with redis.lock(LOCK, timeout=LOCK_SECONDS, blocking_timeout=LOCK_SECONDS):
        queued = cast("bytes | None", redis.get(requested))
        if queued and job_status(redis, queued.decode()) == "queued":
            return queued.decode()
        # Noted first: a process that dies in between leaves the id of a job that is not queued.
        redis.set(requested, job_id)
        enqueue()
        return job_id


def job_status(redis: Redis, job_id: str) -> str | None:
    """Return one of STATUSES, where a job between two attempts is queued; None if Redis knows no such run."""
    if not JOB_ID.fullmatch(job_id):
        return None
    status = cast("bytes | None", redis.hget(Job.key_for(job_id), "status"))
    return STATUS_BY_RQ.get(JobStatus(status.decode()), "queued") if status else None
