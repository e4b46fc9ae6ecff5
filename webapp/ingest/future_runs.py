"""Runs that were stored while the clocks were ahead, found when they are right again."""

import logging
from datetime import UTC, datetime, time, timedelta

from redis import Redis

from webapp import generation
from webapp.ingest.rebuild import rebuild_rankings
from webapp.store import Connection, clock, derived, points, rollups, runs

logger = logging.getLogger(__name__)

REASON = "its slot was in the future: the clocks were ahead"
NEVER = datetime.min.replace(tzinfo=UTC)


def discard_future_runs(conn: Connection, redis: Redis, now: datetime) -> int:
    """Mark the finished runs of future slots as invalid, without values, and derive all else without them.

    `now` is the present by the clock that is ahead. Otherwise they would be `latest` until their time has
    come. Returns their number; commits, like the `rebuild_rankings` that it calls. Raises
    psycopg2.errors.LockNotAvailable like `publish`.
    """
    since = now + clock.TOLERANCE
    found = runs.any_finished_since(conn, since)
    conn.commit()
    if not found:
        return 0
    with generation.change(conn, redis):
        marked = runs.invalidate_since(conn, since, REASON)
        for run_id, slot in marked:
            points.delete(conn, slot, run_id)
            rollups.delete(conn, run_id)
        if marked:
            first, last = (_day(slot) for _, slot in (marked[0], marked[-1]))
            derived.rebuild_days(conn, first, last + timedelta(days=1), NEVER)
    if not marked:  # another process has done it
        return 0
    rebuild_rankings(conn, redis, now)
    logger.warning("%d runs of future slots marked as invalid: the clocks were ahead", len(marked))
    return len(marked)


def _day(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC), time(), UTC)
