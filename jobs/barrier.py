"""The barrier at which the shards of an attempt meet, to begin at one moment of Redis' clock.

It is a hash in Redis, named by the attempt's token, which expires soon after its last shard's sign of life.
The shards first gather, which takes as long as workers have other work; then they connect; when all are
ready, one atomic script sets the moment. Only then each measures how far its clock is from Redis', so that
the clocks have no time to drift apart.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic_ns
from types import TracebackType
from typing import Self
from uuid import UUID

import msgspec
from redis import Redis, RedisError

from jobs.pulse import FAILURE, KEY_SECONDS, Pulse, done, sign
from llm_measure.client.shards import Beginning, name
from llm_measure.load.prompts import Counting
from webapp.queue.durations import PREPARE_SECONDS

PREFIX = "llm-benchmark:shards:"
POLL_SECONDS = 0.05
# From the moment when all are ready to the start: time to learn of it and to compare the clocks.
START_DELAY_US = 1_000_000
# No shard waits for longer, whatever Redis says.
LONGEST_DELAY_US = 10 * START_DELAY_US
CLOCK_SAMPLES = 16
CLOCK_SECONDS = 0.4  # for all samples, over a slow network
TERMS, START = "terms", "start"

# KEYS: the hash. ARGV: number of shards, the shard's field, delay in microseconds.
GET_READY = """
redis.call('HSET', KEYS[1], ARGV[2], 1)
for number = 0, ARGV[1] - 1 do
    if redis.call('HEXISTS', KEYS[1], 'ready:' .. number) == 0 then return end
end
local seconds, microseconds = unpack(redis.call('TIME'))
redis.call('HSETNX', KEYS[1], 'start', string.format('%d', seconds * 1000000 + microseconds + ARGV[3]))
"""


class ShardError(Exception):
    """An attempt with shards failed; the message is one line, which is shown with the run."""


@dataclass(frozen=True)
class Terms:
    """What all shards of an attempt must know or agree on."""

    shards: int
    plan: str  # a digest of what is measured
    counting: Counting


class Barrier:
    """The barrier as one shard sees it; a context in which the shard is alive, and whose failure ends all."""

    def __init__(self, redis: Redis, token: UUID, number: int, shards: int):
        self._redis = redis
        self._key = f"{PREFIX}{token}"
        self._number = number
        self._shards = shards
        self.pulse = Pulse(redis, self._key, number, shards)
        self._beginning: Beginning | None = None

    def __enter__(self) -> Self:
        """Show signs of life; RedisError without Redis."""
        self.pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all shards if this one has failed; otherwise say that it is done."""
        with suppress(RedisError), self._redis.pipeline() as pipeline:
            if kind is None:
                pipeline.hset(self._key, done(self._number), 1)
            else:
                reason = f"{name(self._number, self._shards)}: {error or kind.__name__}"
                pipeline.hsetnx(self._key, FAILURE, reason)
            pipeline.expire(self._key, KEY_SECONDS)
            pipeline.execute()
        self.pulse.stop()

    @property
    def beginning(self) -> Beginning:
        """How well the shard began; raises ShardError if it did not, since it was stopped before."""
        self.check()
        if self._beginning is None:
            raise ShardError("stopped before the level began")
        return self._beginning

    def check(self) -> None:
        """Raise ShardError if the attempt has failed."""
        if self.pulse.failure:
            raise ShardError(self.pulse.failure)

    def gather(self, patience: Callable[[], float]) -> None:
        """Wait until all shards are there; raises ShardError if one is lost or does not come.

        `patience` returns for how many seconds to wait; it is asked again and again.
        """
        begun = time.monotonic()
        while (there := self._there()) < self._shards:
            self.check()
            waited = time.monotonic() - begun
            if waited > patience():
                came = f"only {there} of {self._shards} shards came within {waited:.0f} s"
                raise ShardError(f"{came}; start more workers")
            time.sleep(POLL_SECONDS)

    def begin(self) -> int:
        """Wait until all shards are ready, and return the start in ns of this machine's monotonic clock."""
        keys_and_arguments = (self._key, self._shards, f"ready:{self._number}", START_DELAY_US)
        self._redis.eval(GET_READY, 1, *map(str, keys_and_arguments))
        deadline = time.monotonic() + PREPARE_SECONDS
        while (start := self._redis.hget(self._key, START)) is None:
            self.check()
            if time.monotonic() > deadline:
                raise ShardError(f"not all shards were ready after {PREPARE_SECONDS} s")
            time.sleep(POLL_SECONDS)
        offset_ns, uncertainty_ns = clock_offset(self._redis)
        begin_ns = int(start) * 1000 - offset_ns
        if begin_ns - monotonic_ns() > LONGEST_DELAY_US * 1000:
            raise ShardError(f"start={int(start)}: too far ahead; expected at most {LONGEST_DELAY_US} us")
        self._beginning = Beginning(uncertainty_ns / 1e6, max(0, monotonic_ns() - begin_ns) / 1e6)
        return begin_ns

    def _there(self) -> int:
        return sum(sign(number) in self.pulse.fields for number in range(self._shards))


def open_barrier(redis: Redis, token: UUID, terms: Terms) -> None:
    """Let the attempt's shards come."""
    with redis.pipeline() as pipeline:
        pipeline.hset(f"{PREFIX}{token}", TERMS, msgspec.json.encode(terms))
        pipeline.expire(f"{PREFIX}{token}", KEY_SECONDS)
        pipeline.execute()


def terms_of(redis: Redis, token: UUID) -> Terms | None:
    """Return the terms of an attempt; None if it has ended. Raises msgspec.DecodeError for anything else."""
    found, failure = redis.hmget(f"{PREFIX}{token}", TERMS, FAILURE)
    return None if failure or not found else msgspec.json.decode(found, type=Terms)


def clock_offset(redis: Redis) -> tuple[int, int]:
    """Return what to add to this machine's monotonic clock to get Redis' clock, and the uncertainty, in ns.

    The sample with the shortest round trip decides: Redis read its clock somewhere in it.
    """
    best = (0, 1 << 62)
    deadline = time.monotonic() + CLOCK_SECONDS
    for _ in range(CLOCK_SAMPLES):
        before = monotonic_ns()
        seconds, microseconds = redis.time()
        after = monotonic_ns()
        redis_ns = (seconds * 1_000_000 + microseconds) * 1000
        best = min(
            best, (redis_ns - (before + after) // 2, (after - before) // 2), key=lambda found: found[1]
        )
        if time.monotonic() > deadline:
            break
    return best
