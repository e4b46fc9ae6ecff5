"""Publishing new runs: the views are refreshed, and the new generation is made known."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg2
from redis import Redis

from webapp import generation
from webapp.store import Connection, views

logger = logging.getLogger(__name__)


@contextmanager
def publishing(conn: Connection, redis: Redis) -> Iterator[None]:
    """Publish how the block's runs have ended, also when it raises; the exception is raised again."""
    try:
        yield
    except Exception:
        try:
            publish(conn, redis)
        except psycopg2.Error as error:
            logger.warning("the failure is published by the next run: %s", error)
        raise
    publish(conn, redis)


def publish(conn: Connection, redis: Redis, wait_s: float = generation.WAIT_SECONDS) -> None:
    """Refresh the views if they are outdated, and make the new generation known.

    Runs that end while another process refreshes are published together by the next one. Raises
    psycopg2.errors.LockNotAvailable if the turn to refresh has not come after `wait_s`.
    """
    with generation.refresh_turn(conn, wait_s):
        now = datetime.now(UTC)
        if not views.are_outdated(conn, now):
            conn.commit()
            return
        number = views.refresh(conn, now)
        generation.commit(conn, redis, number)
    logger.info("published generation %d", number)
