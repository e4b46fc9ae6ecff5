"""Database maintenance: create partitions ahead, drop expired ones, delete old rollups, slide the windows."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from psycopg2.errors import LockNotAvailable

from webapp.ingest.publish import publish
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection, connect, partitions, retention

logger = logging.getLogger(__name__)

DAYS_AHEAD = 7
DROP_ATTEMPTS = 3
PAUSE_SECONDS = 1.0


def run_maintenance(slot: int) -> None:
    """Do what is due now, and publish; the RQ job, one for each slot (Unix seconds).

    May be called any number of times, by any number of processes. Raises any error, so that RQ retries.
    """
    settings = Settings.from_env()
    with closing(connect(settings)) as conn:
        maintain(conn, settings, datetime.now(UTC))
        publish(conn, cache_redis(settings))
    logger.info("slot %d: maintenance finished", slot)


def maintain(conn: Connection, settings: Settings, now: datetime, pause_s: float = PAUSE_SECONDS) -> None:
    """Create partitions ahead, then drop and delete what is too old; commits step by step.

    Waits `pause_s` before it tries again to drop a partition that is being read.
    """
    partitions.ensure(conn, now.date(), DAYS_AHEAD)
    conn.commit()
    with _turn(conn) as mine:
        if not mine:
            logger.info("retention: skipped, another process does it")
            return
        if settings.retention_days:
            _drop_days(conn, now - timedelta(days=settings.retention_days), pause_s)
        if settings.rollup_retention_days:
            before = now - timedelta(days=settings.rollup_retention_days)
            _delete_all(conn, retention.delete_hours, before, "hourly rollups")
            _delete_all(conn, retention.delete_run_rollups, before, "rollups of runs")
            _delete_all(conn, retention.delete_self_checks, before, "self-checks")


@contextmanager
def _turn(conn: Connection) -> Iterator[bool]:
    """Yield whether this process, and no other, may drop and delete; in the block the connection autocommits.

    DETACH PARTITION CONCURRENTLY cannot run in a transaction.
    """
    conn.autocommit = True
    mine = retention.try_lock(conn)
    try:
        yield mine
    finally:
        if not conn.closed:
            if mine:
                retention.unlock(conn)
            conn.autocommit = False


def _drop_days(conn: Connection, before: datetime, pause_s: float) -> None:
    """Drop the daily partitions that end before then; after DROP_ATTEMPTS lock timeouts leave the rest."""
    failures = 0
    while expired := retention.expired_partitions(conn, before.date()):
        partition = expired[0]
        try:
            retention.drop(conn, partition)
            logger.info("dropped partition %s", partition.name)
        except LockNotAvailable:
            failures += 1
            if failures == DROP_ATTEMPTS:
                logger.warning(
                    "partition %s: still being read; left for the next maintenance", partition.name
                )
                return
            time.sleep(pause_s)


def _delete_all(
    conn: Connection, delete: Callable[[Connection, datetime], int], before: datetime, what: str
) -> None:
    total = 0
    while deleted := delete(conn, before):
        total += deleted
    if total:
        logger.info("deleted %d %s", total, what)
