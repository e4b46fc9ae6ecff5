"""The statuses of jobs: which wait, run or have failed."""

from redis import Redis
from rq.job import Job

from webapp.settings import Settings

# Of a job that is neither running nor ended. "deferred" is one that waits for an endpoint or a processor.
WAITING_STATUSES = (b"queued", b"scheduled", b"deferred")


def waits_untried(redis: Redis, settings: Settings, job_ids: list[str]) -> list[bool]:
    """Return for each job whether it waits, in the queue or for a busy endpoint, and was never tried."""
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hmget(Job.key_for(job_id), "status", "retries_left")
        found = pipeline.execute()
    untried = (None, b"%d" % settings.max_retries)
    return [status in WAITING_STATUSES and left in untried for status, left in found]


def unfinished(redis: Redis, job_ids: list[str]) -> list[bool]:
    """Return for each job whether it waits, for its first or another try, or is running."""
    return [status in (*WAITING_STATUSES, b"started") for status in _statuses(redis, job_ids)]


def failed(redis: Redis, job_ids: list[str]) -> list[bool]:
    """Return for each job whether it has failed and will not be tried again."""
    return [status == b"failed" for status in _statuses(redis, job_ids)]


def _statuses(redis: Redis, job_ids: list[str]) -> list[bytes | None]:
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(Job.key_for(job_id), "status")
        return pipeline.execute()
