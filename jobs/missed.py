"""Slots that nobody ran, recorded as missed: see `jobs.schedule` for which those are."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from redis import Redis
from rq import get_current_job
from rq.utils import now

from jobs.schedule import Entry, Series, Stored, schedule, stored
from webapp.ingest.publish import publishing
from webapp.ingest.register import register
from webapp.plan.current import read_plan
from webapp.queue.durations import BACKLOG_SLOTS, MAINTENANCE_INTERVAL
from webapp.queue.statuses import unfinished
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection, clock, runs
from webapp.store.reconnect import connect_patiently

logger = logging.getLogger(__name__)

# Of one series; of more, the oldest are not recorded.
MOST_SLOTS = 10_000
# Twice as long as from one search for lost slots to the next.
LOOK_BACK_SECONDS = 2 * MAINTENANCE_INTERVAL
NOT_ENQUEUED = "no scheduler ran, or no worker took the slots before it"
LATE = f"no worker took the slot within {BACKLOG_SLOTS} intervals"
LOST = "its job was lost, or failed while the database was unreachable"


def record_missed(llm: str, scenario: str, interval: int, first: int, last: int) -> None:
    """Record the slots `first` to `last` (Unix seconds) that have no run as missed, and publish; the RQ job.

    Without an LLM, those of the simulation. May be called any number of times.
    """
    settings = Settings.from_env()
    redis = cache_redis(settings)
    for entry, series in _all_series(settings, redis):
        if (series.llm, series.scenario) == (llm, scenario):
            with closing(connect_patiently(settings)) as conn, publishing(conn, settings, redis):
                _record(conn, settings, redis, series, entry.job_id, interval, first, last, NOT_ENQUEUED)
            return
    logger.info("%s %s: no longer in the benchmark file", llm, scenario)


def is_late(settings: Settings, interval: int) -> bool:
    """Return whether the current RQ job has waited for too long, and was never tried.

    Neither a retry nor a call that is not a job is late.
    """
    job = get_current_job()
    if job is None or job.retries_left not in (None, settings.max_retries):
        return False
    return now() - job.created_at > timedelta(seconds=BACKLOG_SLOTS * interval)


def record_late(
    settings: Settings, redis: Redis, missed: Iterable[Series], job_id: Callable[[int], str], slot: int
) -> None:
    """Record the slot of these series as missed because their job is late, and publish."""
    with closing(connect_patiently(settings)) as conn, publishing(conn, settings, redis):
        for series in missed:
            _record(conn, settings, redis, series, job_id, 1, slot, slot, LATE)


def record_lost(conn: Connection, settings: Settings, redis: Redis, moment: float) -> None:
    """Record what should have run by `moment` (Unix seconds) and has left neither run nor job; commits."""
    for entry, series in _all_series(settings, redis):
        known = stored(redis, entry)
        if known and known.interval == entry.interval:
            first = _first(conn, entry, series, known)
            last = _last(redis, entry, moment)
            _record(conn, settings, redis, series, entry.job_id, entry.interval, first, last, LOST)


def _all_series(settings: Settings, redis: Redis) -> Iterator[tuple[Entry, Series]]:
    """Yield the series that the schedule makes now, each with its entry."""
    for entry in schedule(settings, read_plan(settings, redis)):
        for series in entry.series:
            yield entry, series


def _first(conn: Connection, entry: Entry, series: Series, known: Stored) -> int:
    """Return the first slot for which the entry must have made a run.

    If Redis had lost its data, that is the one after the newest slot that ran long before. What Redis lost
    shortly before, nobody may have looked for yet.
    """
    if not known.resumed:
        return known.since
    newest = runs.newest_slot(
        conn,
        source=_source(series),
        scenario=series.scenario,
        llm=series.llm or None,
        before=datetime.fromtimestamp(known.since - LOOK_BACK_SECONDS, UTC),
        interval=timedelta(seconds=entry.interval),
    )
    return min(int(newest.timestamp()) + entry.interval, known.since) if newest else known.since


def _last(redis: Redis, entry: Entry, moment: float) -> int:
    """Return the last slot before the current one, and before all slots whose jobs wait or are running."""
    current = entry.slot_at(moment)
    # A job waits for up to ten intervals, for a slot that was up to ten intervals old when it was enqueued.
    slots = [current - back * entry.interval for back in range(2 * BACKLOG_SLOTS + 1)]
    states = unfinished(redis, [entry.job_id(slot) for slot in slots])
    alive = [slot for slot, waits in zip(slots, states, strict=True) if waits]
    return min(alive, default=current) - entry.interval


def _record(  # noqa: PLR0913, PLR0917  (private; each is part of what is recorded)
    conn: Connection,
    settings: Settings,
    redis: Redis,
    series: Series,
    job_id: Callable[[int], str],
    interval: int,
    first: int,
    last: int,
    reason: str,
) -> None:
    last = _past(conn, last, interval)
    if first > last:
        return
    if series.measurement:
        register(conn, settings, redis, series.measurement)
        conn.commit()
    first = max(first, last - (MOST_SLOTS - 1) * interval)
    added = runs.record_missed(
        conn,
        source=_source(series),
        scenario=series.scenario,
        llm=series.llm or None,
        first=datetime.fromtimestamp(first, UTC),
        last=datetime.fromtimestamp(last, UTC),
        interval=timedelta(seconds=interval),
        job_prefix=job_id(0).removesuffix("0"),
        reason=reason,
    )
    conn.commit()
    if added:
        logger.warning("%s %s: recorded %d runs as missed", _source(series), series.scenario, added)


def _past(conn: Connection, last: int, interval: int) -> int:
    """Return the slot, or the last one before it that is not in the future: those may still be run."""
    ahead = last - int((clock.latest_now(conn) + clock.TOLERANCE).timestamp())
    return last - max(0, -(-ahead // interval)) * interval


def _source(series: Series) -> str:
    return "measurement" if series.measurement else "simulation"
