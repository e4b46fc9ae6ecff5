"""Database maintenance: create partitions ahead, drop expired ones, delete old rollups, slide the windows.

Also records the slots whose runs were lost, see `jobs.schedule`, and ends runs that nobody will end.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg2.errors import LockNotAvailable
from redis import Redis

from jobs.missed import record_lost
from jobs.notify import ringing
from webapp.ingest.publish import publish
from webapp.plan.current import read_plan
from webapp.queue.durations import RUN_TIMEOUT, longest_seconds
from webapp.queue.statuses import failed, unfinished
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection, clock, messages, partitions, retention, run_shards, runs
from webapp.store.reconnect import connect_patiently
from webapp.store.transactions import limit_lock_waits

logger = logging.getLogger(__name__)

DAYS_AHEAD = 7
ABANDONED = "its process died, and its job was lost"
MESSAGE_RETENTION = timedelta(days=90)
UNRECORDED = "its job failed while the database was unreachable; the worker's log has the error"
DELETIONS: dict[str, Callable[[Connection, datetime, int], int]] = {
    "hourly rollups": retention.delete_hours,
    "hourly availability": retention.delete_hourly_availability,
    "rollups of runs": retention.delete_run_rollups,
    "self-checks": retention.delete_self_checks,
}


@dataclass(frozen=True)
class Pace:
    """How maintenance gives way to those who read and write."""

    lock_timeout_s: float = 5.0  # for other sessions to release a lock; meanwhile they are not blocked
    drop_attempts: int = 3
    pause_s: float = 1.0  # between attempts
    batch_rows: int = 5_000  # per DELETE


DEFAULT_PACE = Pace()


def run_maintenance(slot: int) -> None:
    """Do what is due now, and publish; the RQ job, one for each slot (Unix seconds).

    May be called any number of times, by any number of processes. Raises any error, so that RQ retries.
    """
    settings = Settings.from_env()
    redis = cache_redis(settings)
    with ringing(settings, redis), closing(connect_patiently(settings)) as conn:
        maintain(conn, settings, clock.earliest_now(conn))
        record_lost(conn, settings, redis, time.time())
        end_abandoned(conn, settings, redis, datetime.now(UTC))
        publish(conn, settings, redis)
    logger.info("slot %d: maintenance finished", slot)


def end_abandoned(conn: Connection, settings: Settings, redis: Redis, now: datetime) -> None:
    """Record runs as failed that no job will end: it failed unrecorded, or Redis lost it; commits.

    A run whose job is lost is left alone for as long as its process may live.
    """
    started = runs.running_jobs(conn, now)
    over = [job_id for job_id, gone in zip(started, failed(redis, started), strict=True) if gone]
    ended = runs.fail_abandoned(conn, over, now, UNRECORDED)
    longest = map(longest_seconds, read_plan(settings, redis))
    before = now - timedelta(seconds=max([RUN_TIMEOUT, *longest]))
    job_ids = runs.running_jobs(conn, before)
    states = unfinished(redis, job_ids)
    abandoned = [job_id for job_id, alive in zip(job_ids, states, strict=True) if not alive]
    ended += runs.fail_abandoned(conn, abandoned, before, ABANDONED)
    run_shards.delete_left_over(conn)
    conn.commit()
    if ended:
        logger.warning("recorded %d abandoned runs as failed", ended)


def maintain(conn: Connection, settings: Settings, now: datetime, pace: Pace = DEFAULT_PACE) -> None:
    """Create partitions ahead, then drop and delete what is too old; commits step by step."""
    _create_ahead(conn, now, pace)
    with _turn(conn, settings) as mine:
        if not mine:
            logger.info("retention: skipped, another process does it")
            return
        if settings.retention_days:
            _drop_days(conn, now - timedelta(days=settings.retention_days), pace)
        if settings.rollup_retention_days:
            before = now - timedelta(days=settings.rollup_retention_days)
            for what, delete in DELETIONS.items():
                _delete_all(conn, what, delete, before, pace)
        _delete_all(conn, "messages", messages.delete_before, now - MESSAGE_RETENTION, pace)


def _create_ahead(conn: Connection, now: datetime, pace: Pace) -> None:
    """Create the partitions of the next days, and commit; after a lock timeout leave them.

    A run creates its day itself, for which it would wait behind this transaction.
    """
    try:
        limit_lock_waits(conn, pace.lock_timeout_s)
        partitions.ensure(conn, now.date(), DAYS_AHEAD)
        conn.commit()
    except LockNotAvailable:
        conn.rollback()
        logger.warning("partitions ahead: their tables are locked; left for the next maintenance")


@contextmanager
def _turn(conn: Connection, settings: Settings) -> Iterator[bool]:
    """Yield whether this process, and no other, may drop and delete; in the block the connection autocommits.

    DETACH PARTITION CONCURRENTLY cannot run in a transaction. So another connection holds the lock, which
    lasts for its transaction. Should that be ended early, another process may come in between; the server
    refuses what cannot be done twice, and the next maintenance does it.
    """
    with closing(connect_patiently(settings, "llm-benchmark retention")) as holder:
        conn.autocommit = True
        try:
            yield retention.try_lock(holder)
        finally:
            if not conn.closed:
                conn.autocommit = False


def _drop_days(conn: Connection, before: datetime, pace: Pace) -> None:
    """Drop the daily partitions that end before then; after too many lock timeouts leave the rest."""
    failures = 0
    while expired := retention.expired_partitions(conn, before.date()):
        partition = expired[0]
        try:
            retention.drop(conn, partition, pace.lock_timeout_s)
            logger.info("dropped partition %s", partition.name)
        except LockNotAvailable:
            failures += 1
            if failures == pace.drop_attempts:
                logger.warning(
                    "partition %s: still being read; left for the next maintenance", partition.name
                )
                return
            time.sleep(pace.pause_s)


def _delete_all(
    conn: Connection,
    what: str,
    delete: Callable[[Connection, datetime, int], int],
    before: datetime,
    pace: Pace,
) -> None:
    total = 0
    while deleted := delete(conn, before, pace.batch_rows):
        total += deleted
    if total:
        logger.info("deleted %d %s", total, what)
