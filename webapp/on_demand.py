"""Runs on demand: enqueued now, with a status while they are queued and running."""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import cast

from redis import Redis
from rq.job import Job, JobStatus

from webapp.plan.measurement import Measurement, Task
from webapp.queue.enqueue import (
    enqueue_measurement,
    enqueue_simulation,
    measurement_job_id,
    simulation_job_id,
)
from webapp.queue.queues import runs_queue
from webapp.settings import Settings
from webapp.store.run_records import RunRecord

# The ids of runs, among all the jobs that RQ and rq-scheduler keep.
JOB_ID = re.compile(r"simulation-[0-9]+|measurement-[a-z0-9-]+-[0-9]+")
REQUESTED = "llm-benchmark:requested-on-demand"
LOCK = "llm-benchmark:lock:requested-on-demand"
# How long the lock is waited for, and how long a process that dies leaves it locked.
LOCK_SECONDS = 2

STATUSES = ("queued", "running", "finished", "failed", "missed")
STATUS_BY_RQ: dict[str, str] = {
    JobStatus.STARTED: "running",
    JobStatus.FINISHED: "finished",
    JobStatus.FAILED: "failed",
    JobStatus.STOPPED: "failed",
    JobStatus.CANCELED: "failed",
}


def request_simulation(redis: Redis, settings: Settings, clock: Callable[[], float] = time.time) -> str:
    """Enqueue a simulation for the current second and return its job's id.

    While an earlier simulation on demand is still queued, returns its id and enqueues nothing. Raises
    redis.RedisError if Redis is unreachable, LockError if another process keeps enqueueing.
    """
    slot = int(clock())
    enqueue = partial(enqueue_simulation, runs_queue(redis), settings, slot)
    return _unless_queued(redis, REQUESTED, simulation_job_id(slot), enqueue)


def request_measurement(
    redis: Redis, settings: Settings, measurement: Measurement, clock: Callable[[], float] = time.time
) -> str:
    """Enqueue a measurement for the current second and return its job's id.

    While the same measurement on demand is still queued, or waits for its endpoint, returns its id and
    enqueues nothing. Raises redis.RedisError if Redis is unreachable, LockError if another process keeps
    enqueueing.
    """
    slot = int(clock())
    task = Task(measurement.scenario, (measurement,))
    enqueue = partial(enqueue_measurement, runs_queue(redis), settings, slot, task)
    return _unless_queued(redis, f"{REQUESTED}:{task.slug}", measurement_job_id(task, slot), enqueue)


def _unless_queued(redis: Redis, requested: str, job_id: str, enqueue: Callable[[], bool]) -> str:
    """Return the id stored under the key `requested` if that job is queued; else enqueue the new job."""
    with redis.lock(LOCK, timeout=LOCK_SECONDS, blocking_timeout=LOCK_SECONDS):
        queued = cast("bytes | None", redis.get(requested))
        if queued and job_status(redis, queued.decode()) == "queued":
            return queued.decode()
        # Stored first, since the id of a job that was never enqueued does no harm.
        redis.set(requested, job_id)
        enqueue()
        return job_id


def job_status(redis: Redis, job_id: str) -> str | None:
    """Return one of STATUSES but `missed`, `queued` for a job that waits for its retry; None if unknown."""
    if not JOB_ID.fullmatch(job_id):
        return None
    status = cast("bytes | None", redis.hget(Job.key_for(job_id), "status"))
    return STATUS_BY_RQ.get(status.decode(errors="replace"), "queued") if status else None


def status_with_runs(status: str | None, runs: list[RunRecord]) -> str | None:
    """Return the status of a job from what Redis knows of it, and from its runs; None if it is unknown.

    A job that only recorded that its runs were missed has finished in Redis, and is missed.
    """
    found = {"finished" if run.status == "invalid" else run.status for run in runs}
    if found == {"missed"} and status in ("finished", None):
        return "missed"
    return status or next(
        (each for each in ("running", "failed", "finished", "missed") if each in found), None
    )
