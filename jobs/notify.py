"""Notifications: the jobs that send messages and store digests, and what rings for the first of them."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import psycopg2
from redis import Redis, RedisError

from webapp.notify import digest
from webapp.notify.delivery import deliver
from webapp.notify.routing import route
from webapp.plan.current import lags_behind, read_rules
from webapp.plan.rules import Rule
from webapp.queue.enqueue import enqueue_delivery
from webapp.queue.queues import runs_queue
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import connect, messages
from webapp.store.reconnect import connect_patiently

logger = logging.getLogger(__name__)


class DeliveryError(Exception):
    """Messages were not sent; the text is one line."""


def run_delivery(slot: int) -> None:
    """Turn new events of incidents into messages, and send what is due; the RQ job.

    May be called any number of times, by any number of processes. Raises DeliveryError after all targets were
    tried, so that RQ retries and shows it; each message also has its own time for the next attempt.
    """
    settings = Settings.from_env()
    if not settings.benchmark_file:
        raise DeliveryError("BENCHMARK_FILE: not set; expected the file whose rules the scheduler follows")
    rules = _rules(settings, cache_redis(settings))
    with closing(connect_patiently(settings)) as conn:
        route(conn, rules, datetime.now(UTC))
        failing = deliver(conn, rules)
    if failing:
        errors = "; ".join(f"{target}: {error}" for target, error in failing.items())
        raise DeliveryError(f"{len(failing)} of {len(rules)} targets failed: {errors}")


def run_digest(slot: int) -> None:
    """Store the digests that are due, and ring for their delivery; the RQ job.

    May be called any number of times, by any number of processes: each digest is stored once.
    """
    settings = Settings.from_env()
    redis = cache_redis(settings)
    with ringing(settings, redis), closing(connect_patiently(settings)) as conn:
        for rule in _rules(settings, redis):
            if digest.store_due(conn, rule, datetime.now(UTC)):
                logger.info("%s: %s digest stored", rule.target, rule.digest)


@contextmanager
def ringing(settings: Settings, redis: Redis) -> Iterator[None]:
    """Have messages about what the block publishes sent soon, also if it raises."""
    try:
        yield
    finally:
        ring(settings, redis)


def ring(settings: Settings, redis: Redis) -> None:
    """Enqueue a delivery if there is something to deliver, without which one is enqueued every minute."""
    if not settings.benchmark_file:
        return
    try:
        with closing(connect(settings)) as conn:
            waiting = messages.are_waiting(conn, datetime.now(UTC))
        if waiting:
            enqueue_delivery(runs_queue(redis), settings, int(time.time()))
    except (psycopg2.Error, RedisError) as error:
        logger.warning("delivery of messages: left to the next minute's job: %s", str(error).strip())


def _rules(settings: Settings, redis: Redis) -> tuple[Rule, ...]:
    if settings.benchmark_file and lags_behind(settings, redis):
        raise DeliveryError("the newest plan has not yet reached this machine's benchmark file")
    return read_rules(settings, redis)
