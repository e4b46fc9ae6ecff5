"""Publication of new runs: the views are refreshed, and readers learn of the new generation."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from redis import Redis

from webapp import generation
from webapp.ingest.future_runs import discard_future_runs
from webapp.settings import Settings
from webapp.store import Connection, clock, views
from webapp.store.reconnect import CONNECT_SECONDS, connect_patiently

logger = logging.getLogger(__name__)


@contextmanager
def publishing(conn: Connection, redis: Redis) -> Iterator[None]:
    """Publish how the block's runs have ended, also if it raises; the exception is raised again."""
    try:
        yield
    except Exception:
        try:
            conn.rollback()
            publish(conn, redis)
        except psycopg2.Error as error:
            logger.warning("not published before the next refresh: %s", error)
        raise
    publish(conn, redis)


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
        publish(conn, redis)


def publish(conn: Connection, redis: Redis, wait_s: float = generation.WAIT_SECONDS) -> None:
    """Refresh the views if they are outdated, commit, and publish the new generation.

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
            views.refresh(conn, now, number)
    if number:
        logger.info("published generation %d", number)
