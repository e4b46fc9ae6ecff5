"""What dead workers have left in Redis: found within seconds by every worker that is between two jobs.

RQ looks for it every ten minutes under a lock of fifteen, and moves due retries in a process that one worker
has, under a lock of a minute. Here every worker does both every second. A move is one Lua script, so that no
worker dies between its halves. A job is taken for abandoned only once its heartbeats have run out and stay
out for a while, so that living workers can send theirs after Redis was unreachable.
"""

import time
from collections.abc import Callable, Mapping
from typing import cast

from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.utils import now, utcformat
from rq.worker_registration import clean_worker_registry

from jobs.lock import BusyError, renewed_lock

# How long something must look lost, in seconds, before it is taken for lost.
CONFIRMATION_SECONDS = 3
# How long the lock of a worker that dies during the recovery of a job outlives it.
LOCK_SECONDS = 2.0
# How often expired entries of registries are removed, which nothing depends on.
TIDYING_SECONDS = 60
MOST_MOVED = 100

# KEYS: from, queue, what jobs' keys begin with. ARGV: time, time as text, maximum number.
MOVE_DUE_RETRIES = """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
    redis.call('ZREM', KEYS[1], id)
    local job = KEYS[3] .. id
    if redis.call('TYPE', job).ok == 'hash' then
        redis.call('HSET', job, 'status', 'queued', 'enqueued_at', ARGV[2])
        redis.call('RPUSH', KEYS[2], id)
    end
end
"""
# KEYS: intermediate queue, queue, what jobs' keys begin with. ARGV: id.
RETURN_POPPED = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) > 0 then
    local job = KEYS[3] .. ARGV[1]
    if redis.call('TYPE', job).ok == 'hash' and redis.call('HGET', job, 'status') == 'queued' then
        redis.call('LPUSH', KEYS[2], ARGV[1])
    end
end
"""


class Unchanged:
    """Which of some things have been seen unchanged for a while."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[object, float]] = {}

    def since(self, things: Mapping[bytes, object], seconds: float) -> list[bytes]:
        """Return those that were as they are now at every call since `seconds` ago."""
        moment = time.monotonic()
        former, self._seen = self._seen, {}
        for name, state in things.items():
            known, since = former.get(name, (state, moment))
            self._seen[name] = (state, since if known == state else moment)
        return [name for name, (_, since) in self._seen.items() if moment - since >= seconds]


class Recovery:
    """Recovers the jobs of one queue, for one worker.

    `end` ends a job whose worker died as RQ ends a failed one: it is retried, or failed.
    """

    def __init__(self, queue: Queue, job_class: type[Job], end: Callable[[Job, Execution], None]):
        self._queue = queue
        self._job_class = job_class
        self._redis: Redis = queue.connection
        self._end = end
        self._started = StartedJobRegistry(queue=queue)
        self._scheduled = ScheduledJobRegistry(queue=queue)
        self._overdue = Unchanged()
        self._popped = Unchanged()
        self._return = self._redis.register_script(RETURN_POPPED)
        self._tidied = 0.0

    def run(self) -> None:
        """Enqueue the retries that are due, and recover what dead workers have left; call it every second."""
        moment = time.time()
        # One round trip, since the worker takes no job meanwhile.
        with self._redis.pipeline(transaction=False) as pipeline:
            keys = (self._scheduled.key, self._queue.key, Job.redis_job_namespace_prefix)
            limits = (moment, utcformat(now()), MOST_MOVED)
            pipeline.eval(MOVE_DUE_RETRIES, len(keys), *keys, *map(str, limits))
            pipeline.zrangebyscore(self._started.key, "-inf", moment, withscores=True)
            pipeline.lrange(self._queue.intermediate_queue_key, 0, -1)
            _, overdue, popped = pipeline.execute()
        self._recover_abandoned(dict(overdue))
        self._return_popped(popped)
        if time.monotonic() - self._tidied >= TIDYING_SECONDS:
            self._tidy()
            self._tidied = time.monotonic()

    def _recover_abandoned(self, overdue: dict[bytes, float]) -> None:
        """End the jobs whose heartbeats have run out and stay out; one worker at a time."""
        lost = self._overdue.since(overdue, CONFIRMATION_SECONDS)
        if not lost:
            return
        try:
            with renewed_lock(self._redis, "recovery", wait=False, seconds=LOCK_SECONDS):
                for entry in lost:
                    # Another worker may have recovered it since.
                    if self._redis.zscore(self._started.key, entry) == overdue[entry]:
                        self._recover(entry)
        except BusyError:
            return

    def _recover(self, entry: bytes) -> None:
        try:
            execution = Execution.from_composite_key(entry.decode(), self._redis)
            job = self._job_class.fetch(execution.job_id, self._redis)
        except (ValueError, NoSuchJobError):  # not an entry of RQ's, or its job has expired
            self._redis.zrem(self._started.key, entry)
            return
        # A worker that dies while it schedules a retry can leave it unscheduled.
        halfway = job.get_status(refresh=False) == JobStatus.SCHEDULED and job.id not in self._scheduled
        if halfway or job.get_status(refresh=False) == JobStatus.STARTED:
            self._end(job, execution)
        else:
            self._redis.zrem(self._started.key, entry)

    def _return_popped(self, popped: list[bytes]) -> None:
        """Return those of the popped jobs to the queue that their worker did not begin."""
        lost = self._popped.since(dict.fromkeys(popped), CONFIRMATION_SECONDS)
        if not lost:
            return
        started = cast("list[bytes]", self._redis.zrange(self._started.key, 0, -1))
        running = {entry.partition(b":")[0] for entry in started}
        for job_id in lost:
            if job_id not in running:
                self._return(
                    keys=[
                        self._queue.intermediate_queue_key,
                        self._queue.key,
                        Job.redis_job_namespace_prefix,
                    ],
                    args=[job_id],
                )

    def _tidy(self) -> None:
        FinishedJobRegistry(queue=self._queue).cleanup()
        FailedJobRegistry(queue=self._queue).cleanup()
        clean_worker_registry(self._queue)
