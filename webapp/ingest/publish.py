"""Publication of new runs: the views are refreshed, and readers learn of the new generation."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import psycopg2
from redis import Redis
from rq.timeouts import BaseTimeoutException

from webapp import generation
from webapp.ingest.future_runs import discard_future_runs
from webapp.settings import Settings
from webapp.store import Connection, availability, clock, views
from webapp.store.reconnect import CONNECT_SECONDS, connect_patiently
from webapp.store.transactions import savepoint
from webapp.store.views import EndedRun
from webapp.watch.judge import judge

logger = logging.getLogger(__name__)


@contextmanager
def publishing(conn: Connection, settings: Settings, redis: Redis) -> Iterator[None]:
    """Publish how the block's runs have ended, also if it raises; the exception is raised again."""
    try:
        yield
    except Exception:
        try:
            conn.rollback()
            publish(conn, settings, redis)
        except psycopg2.Error as error:
            logger.warning("not published before the next refresh: %s", error)
        raise
    publish(conn, settings, redis)


@contextmanager
def publishing_afterwards(settings: Settings, redis: Redis) -> Iterator[None]:
    """Publish like `publishing`, over a connection that is opened when the block has ended."""
    try:
        yield
    except Exception:
        try:
            _publish(settings, redis, 0)
        except psycopg2.Error as error:
            logger.warning("not published before the next refresh: %s", error)
        raise
    _publish(settings, redis, CONNECT_SECONDS)


def _publish(settings: Settings, redis: Redis, seconds: float) -> None:
    with closing(connect_patiently(settings, seconds=seconds)) as conn:
        publish(conn, settings, redis)


def publish(
    conn: Connection, settings: Settings, redis: Redis, wait_s: float = generation.WAIT_SECONDS
) -> None:
    """Refresh the views if they are outdated, judge the new runs, commit, and publish the new generation.

    Before that, discard runs that were stored while the clocks were ahead.

    Runs that end while another process refreshes are published together by the next refresh. Raises
    psycopg2.errors.LockNotAvailable if other changes take longer than `wait_s`.
    """
    now, latest = clock.present(conn)
    conn.commit()
    discard_future_runs(conn, redis, latest)

    def is_outdated() -> bool:
        found = views.are_outdated(conn, now)
        conn.commit()
        return found

    with generation.change(conn, redis, wait_s, is_outdated) as number:
        if number:
            ended = views.refresh(conn, now, number)
            availability.count(conn, [run.id for run in ended])
            _judge(conn, settings, ended, now)
    if number:
        logger.info("published generation %d", number)


def _judge(conn: Connection, settings: Settings, ended: list[EndedRun], now: datetime) -> None:
    """Judge the runs; a fault in that is logged, and keeps no run from being published."""
    try:
        with savepoint(conn):
            judge(conn, settings, ended, now)
    except BaseTimeoutException:  # the job's time is over
        raise
    except Exception:
        logger.exception("runs were published without being judged")
