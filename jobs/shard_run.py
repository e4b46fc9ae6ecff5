"""A shard of a level, for the job of the level's slot, which coordinates: see `jobs.sharded_level`."""

import logging
from contextlib import closing
from datetime import UTC, datetime
from math import inf
from typing import NamedTuple
from uuid import UUID

from redis import Redis

from jobs.barrier import Barrier, ShardError, Terms, terms_of
from jobs.endpoint import with_secrets
from jobs.lock import BusyError
from jobs.sharded_level import Part, terms
from jobs.waiting_line import Waiting, in_turn
from webapp.ingest.attempt import Attempt
from webapp.plan.current import read_plan
from webapp.plan.measurement import Measurement, task
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import runs
from webapp.store.reconnect import connect_patiently

logger = logging.getLogger(__name__)


class Share(NamedTuple):
    """What identifies a shard: its run, the attempt at it, and its number."""

    llm: str
    scenario: str
    slot: int  # Unix seconds
    token: UUID
    number: int

    @property
    def name(self) -> str:
        """The shard in a log."""
        return f"shard {self.number} of {self.llm} {self.scenario}"


def run_shard(llm: str, scenario: str, slot: int, token: str, number: int) -> Waiting | None:
    """Measure one share of the level for the attempt with that token, and store it; the RQ job.

    Returns Waiting if all processors of this machine are busy. Does nothing if the attempt has ended. Any
    error fails the attempt, whose job is retried, not this one.
    """
    settings = Settings.from_env()
    share = Share(llm, scenario, slot, UUID(token), number)
    with closing(queue_redis(settings)) as redis:
        agreed = terms_of(redis, share.token)
        if agreed is None:
            logger.info("%s: not run: its attempt has ended", share.name)
            return None
        try:
            with in_turn(settings, redis):
                _run(settings, redis, share, agreed)
        except BusyError:
            return Waiting()
    return None


def _run(settings: Settings, redis: Redis, share: Share, agreed: Terms) -> None:
    barrier = Barrier(redis, share.token, share.number, agreed.shards)
    try:
        with barrier:
            measurement = _planned(settings, redis, share, agreed)
            attempt = _attempt(settings, share)
            if attempt is None:
                return
            endpoint = with_secrets(measurement)
            barrier.gather(lambda: inf)  # the coordinating job decides for how long
            Part(settings, measurement, attempt, share.number, barrier, agreed.counting).take(endpoint)
    except ShardError as error:
        if not barrier.pulse.failure:
            raise
        logger.warning("%s: stopped: %s", share.name, error)


def _planned(settings: Settings, redis: Redis, share: Share, agreed: Terms) -> Measurement:
    if not 0 < share.number < agreed.shards:  # Redis is not trusted
        raise ShardError(f"expected a shard from 2 to {agreed.shards}")
    planned = task(read_plan(settings, redis), share.llm, share.scenario)
    if planned is None or terms(planned.levels[0], agreed.counting) != agreed:
        raise ShardError("its machine has another benchmark file")
    return planned.levels[0]


def _attempt(settings: Settings, share: Share) -> Attempt | None:
    """Return the attempt; None if it has ended, or a newer one has claimed its run."""
    slot = datetime.fromtimestamp(share.slot, UTC)
    with closing(connect_patiently(settings)) as conn:
        found = runs.attempted(
            conn, source="measurement", scenario=share.scenario, llm=share.llm, slot=slot, token=share.token
        )
    return Attempt(slot, share.token, [found]) if found else None
