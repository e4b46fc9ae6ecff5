"""Jobs that have failed for good, whose runs may not show it because the database was unreachable."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from redis import RedisError
from rq.exceptions import InvalidJobOperation
from rq.job import Job, JobStatus

# Of a job's hash: why the job has failed.
ERROR_FIELD = "error"
LONGEST_ERROR = 1000
UNKNOWN = "its job failed"
# How long a worker that could not record a failure does other work before it tries again.
PAUSE_SECONDS = 3


def keep_error(job: Job, traceback: str) -> None:
    """Keep the traceback's last message in the job's hash: Redis may be reachable when PostgreSQL is not."""
    messages = [line for line in traceback.splitlines() if line.strip() and not line[0].isspace()]
    with suppress(RedisError):
        job.connection.hset(job.key, ERROR_FIELD, (messages or [UNKNOWN])[-1][:LONGEST_ERROR])


class FailedJobs:
    """The failed jobs of one worker, until they are recorded in their runs.

    `record` records a job's error unless an attempt has done so, and returns whether it could.
    """

    def __init__(self, record: Callable[[Job, str], bool]):
        self._record = record
        self._unrecorded: dict[str, Job] = {}
        self._earliest = 0.0

    def add(self, job: Job) -> None:
        """Add the job if it has failed and will not be retried."""
        if _has_failed(job):
            self._unrecorded[job.id] = job

    def record(self) -> None:
        """Record the jobs, or as many as the database allows; call it every second."""
        if time.monotonic() < self._earliest:
            return
        for job in list(self._unrecorded.values()):
            # Somebody may have requeued it since.
            if _has_failed(job) and not self._record(job, _error(job)):
                self._earliest = time.monotonic() + PAUSE_SECONDS
                return
            del self._unrecorded[job.id]


def _has_failed(job: Job) -> bool:
    with suppress(InvalidJobOperation):  # the job has expired
        return job.get_status(refresh=True) == JobStatus.FAILED
    return False


def _error(job: Job) -> str:
    kept = cast("bytes | None", job.connection.hget(job.key, ERROR_FIELD))
    return kept[:LONGEST_ERROR].decode(errors="replace") if kept else UNKNOWN
