"""What keeps the database in shape: partitions ahead, old ones away, old rollups away, windows that slide."""

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
    """Do what is due by now; the RQ job, one for each slot (Unix seconds).

    May be called any number of times, by any number of processes. Raises whatever went wrong, so that RQ
    tries again.
    """
    settings = Settings.from_env()
    with closing(connect(settings)) as conn:
        maintain(conn, settings, datetime.now(UTC))
        publish(conn, cache_redis(settings))
    logger.info("the maintenance of slot %d is done", slot)


def maintain(conn: Connection, settings: Settings, now: datetime) -> None:
    """Make partitions ahead, then drop and delete what is too old; commits step by step."""
    partitions.ensure(conn, now.date(), DAYS_AHEAD)
    conn.commit()
    with _turn(conn) as mine:
        if not mine:
            logger.info("another process is dropping what is old")
            return
        if settings.retention_days:
            _drop_days(conn, now - timedelta(days=settings.retention_days))
        if settings.rollup_retention_days:
            before = now - timedelta(days=settings.rollup_retention_days)
            _delete_all(conn, retention.delete_hours, before, "hourly rollups")
            _delete_all(conn, retention.delete_run_rollups, before, "rollups of runs")
            _delete_all(conn, retention.delete_harness_errors, before, "self-checks")


@contextmanager
def _turn(conn: Connection) -> Iterator[bool]:
    """Yield whether this process may drop and delete; within the block each statement commits by itself.

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


def _drop_days(conn: Connection, before: datetime) -> None:
    """Drop the days of all tables that lie wholly before then; one that is read too long stays a while."""
    failures = 0
    while expired := retention.expired_partitions(conn, before.date()):
        partition = expired[0]
        try:
            retention.drop(conn, partition)
            logger.info("dropped %s", partition.name)
        except LockNotAvailable:
            failures += 1
            if failures == DROP_ATTEMPTS:
                logger.warning("%s is still being read; it is dropped another time", partition.name)
                return
            time.sleep(PAUSE_SECONDS)


def _delete_all(
    conn: Connection, delete: Callable[[Connection, datetime], int], before: datetime, what: str
) -> None:
    total = 0
    while deleted := delete(conn, before):
        total += deleted
    if total:
        logger.info("deleted %d %s", total, what)
