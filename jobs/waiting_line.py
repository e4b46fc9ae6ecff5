"""The jobs that wait for an endpoint or a processor: first come, first served, without polling by the jobs.

A job that finds what it needs busy ends for now and joins the line. Every worker that is between two jobs
calls, at least every second, the first in line for each endpoint that is free: one Lua script moves it to the
front of the queue. So no holder has to wake anyone. When it ends, its own worker calls the next; when it is
killed, its lock expires, and another worker does. A job keeps its place until it has what it waits for.

Each queue has its line, since the workers of one region cannot call a job for those of another. Nevertheless,
an endpoint is measured from one region at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from redis import Redis, RedisError
from redis.client import Pipeline
from rq import Retry, get_current_job
from rq.job import Job, JobStatus

from jobs.host import HOST_LOCK, places, processor
from jobs.lock import LOCK_PREFIX, BusyError, renewed_lock
from webapp.queue.functions import RUN_SHARD
from webapp.queue.queues import runs_queue, waiting_line
from webapp.settings import Settings

# Of a job's hash: the server that it waits for; empty if a processor is enough.
SERVER_FIELD = "server"
ENDPOINT_LOCK = "endpoint-"
# Of levels with shards, one at a time gathers its workers, as if that were a server to wait for: two would
# each get a part of them, and wait for the others in vain.
GATHERING = "gathering"


class GatheringError(BusyError):
    """Another level gathers its shards."""


# Which jobs in line still wait: those that ended, failed or wait for a retry have lost their place.
IS_IN_LINE = """
local function in_line(job)
    if redis.call('TYPE', job).ok ~= 'hash' then return false end
    local status, server = unpack(redis.call('HMGET', job, 'status', 'server'))
    return (status == 'deferred' or status == 'queued' or status == 'started') and status, server or ''
end
"""
# KEYS: line, what jobs' keys begin with. ARGV: the job's time, its server.
SOMEBODY_IS_AHEAD = f"""{IS_IN_LINE}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])) do
    local status, server = in_line(KEYS[2] .. id)
    if status and server == ARGV[2] then return 1 end
end
return 0
"""
# KEYS: line, queue, intermediate queue, what the keys of jobs, of endpoints' locks and of this host's locks
# begin with. ARGV: places of this host. A job whose id the queue has lost is called again.
CALL_NEXT = f"""{IS_IN_LINE}
local free = tonumber(ARGV[1])
for place = 0, free - 1 do free = free - redis.call('EXISTS', KEYS[6] .. place) end
local seen = {{}}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local status, server = in_line(KEYS[4] .. id)
    if not status then
        redis.call('ZREM', KEYS[1], id)
    elseif not seen[server] then
        seen[server] = true
        local is_called = status == 'started' or status == 'queued'
            and (redis.call('LPOS', KEYS[2], id) or redis.call('LPOS', KEYS[3], id))
        if not is_called and free > 0 and redis.call('EXISTS', KEYS[5] .. server) == 0 then
            redis.call('HSET', KEYS[4] .. id, 'status', 'queued')
            redis.call('LPUSH', KEYS[2], id)
            is_called = true
        end
        if is_called then free = free - 1 end
    end
end
"""


class Waiting(Retry):
    """With this a job ends for now that waits for a server, or only for a processor if that is empty."""

    def __init__(self, server: str = ""):
        super().__init__(max=1)
        self.server = server


class WaitingLine:
    """The line, as a worker or a job of this machine sees it."""

    def __init__(self, settings: Settings, redis: Redis):
        self._settings = settings
        self._redis = redis
        queue = runs_queue(redis, settings.region)
        self._line = waiting_line(settings.region)
        self._keys = [
            *(self._line, queue.key, queue.intermediate_queue_key, Job.redis_job_namespace_prefix),
            *(f"{LOCK_PREFIX}{ENDPOINT_LOCK}", f"{LOCK_PREFIX}{HOST_LOCK.format(settings.worker_host)}"),
        ]

    def join(self, job: Job, server: str, pipeline: Pipeline) -> None:
        """Add the commands that let the job wait at the place that it came at."""
        pipeline.hset(job.key, mapping={"status": JobStatus.DEFERRED.value, SERVER_FIELD: server})
        pipeline.zadd(self._line, {job.id: _place(job)})
        if job.ttl:
            pipeline.expire(job.key, job.ttl)

    def leave(self, job: Job) -> None:
        """Give up the job's place, since it has what it waited for."""
        self._redis.zrem(self._line, job.id)

    def is_turn_of(self, job: Job, server: str) -> bool:
        """Return whether nobody who waits for the same server was enqueued before the job."""
        keys = (self._line, Job.redis_job_namespace_prefix)
        return not self._redis.eval(SOMEBODY_IS_AHEAD, len(keys), *keys, repr(_place(job)), server)

    def call_next(self) -> None:
        """Move to the front of the queue who is first in line for what is free; call it every second."""
        self._redis.eval(CALL_NEXT, len(self._keys), *self._keys, str(places(self._settings)))


def _place(job: Job) -> float:
    if job.func_name == RUN_SHARD:  # ahead of all, since those that are there hold their processors meanwhile
        return 0.0
    return (job.enqueued_at or job.created_at).timestamp()


@contextmanager
def in_turn(settings: Settings, redis: Redis, server: str = "") -> Iterator[None]:
    """Hold the server, if one is named, and one of this machine's processors.

    Raises BusyError if another process has it, or it is the turn of a job that waits for it. Without Redis,
    the block runs nevertheless.
    """
    job = get_current_job()
    line = WaitingLine(settings, redis)
    with ExitStack() as held:
        with suppress(RedisError):
            if job and not line.is_turn_of(job, server):
                raise BusyError(f"{server or 'processor'}: others wait for it")
        if server:
            held.enter_context(renewed_lock(redis, f"{ENDPOINT_LOCK}{server}", wait=False))
        held.enter_context(processor(settings, redis))
        with suppress(RedisError):
            if job:
                line.leave(job)
        yield


@contextmanager
def gathering(settings: Settings, redis: Redis, shards: int) -> Iterator[Callable[[], None]]:
    """Be the one level with shards that gathers them; yields a function to call once all are there.

    Raises GatheringError if it is the turn of another level. For a level without shards, nothing is held.
    """
    job = get_current_job()
    with ExitStack() as held:
        if shards > 1:
            with suppress(RedisError):
                if job and not WaitingLine(settings, redis).is_turn_of(job, GATHERING):
                    raise GatheringError(f"{GATHERING}: others wait for it")
            try:
                held.enter_context(renewed_lock(redis, f"{ENDPOINT_LOCK}{GATHERING}", wait=False))
            except BusyError as error:
                raise GatheringError(str(error)) from None
        yield held.close
