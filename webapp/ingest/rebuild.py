"""Stored runs brought in line with what they were derived from; `flask rebuild` and repairs use it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from redis import Redis

from llm_measure.metrics import METRICS
from webapp import generation
from webapp.ingest import derivation
from webapp.ingest.attempt import write
from webapp.ingest.derivation import Day
from webapp.ingest.persist import rederive_ranked
from webapp.settings import Settings
from webapp.store import Connection, derived, points, rollups, runs, views
from webapp.store.rollups import Rollup


@dataclass(frozen=True)
class Rebuilt:
    """A measured run: whether it was changed, None if its requests are no longer kept."""

    run_id: int
    changed: bool | None


def rebuild_points(conn: Connection, redis: Redis) -> Iterator[Rebuilt]:
    """Derive the points of each finished measured run again from its requests, and what follows from them.

    Points, rollups, periods and views of a run change in one transaction. Runs that are right are only read,
    so an interrupted call is resumed by another. Raises psycopg2.errors.LockNotAvailable if another process
    refreshes the views for too long.
    """
    measured = runs.measured(conn)
    conn.commit()
    for run_id, slot in measured:
        yield Rebuilt(run_id, _rebuild(conn, redis, run_id, slot))


@dataclass(frozen=True)
class RebuiltDay:
    """A day: its number of runs whose rollups were changed, and of those whose points are incomplete.

    `changed` is whether anything was, rollups, hours or the day.
    """

    day: date
    runs: int
    incomplete: int
    changed: bool


def rebuild_days(conn: Connection, redis: Redis, settings: Settings, now: datetime) -> Iterator[RebuiltDay]:
    """Derive the rollups of each day's runs again from their points, then its hours and the day from these.

    Each day changes in one transaction. Days that are right are only read, so an interrupted call is resumed
    by another. What has expired, or has lost some of its points, stays as it is. Raises
    psycopg2.errors.LockNotAvailable if another process refreshes the views for too long.
    """
    found = derivation.days(conn, settings, now)
    conn.rollback()
    for day in found:
        yield _rebuild_day(conn, redis, day)


def _rebuild_day(conn: Connection, redis: Redis, day: Day) -> RebuiltDay:
    wrong: dict[int, list[Rollup]] = {}
    incomplete = 0
    derived.begin_snapshot(conn)
    for checked in derivation.checked(conn, day):
        if checked.run and checked.rollups is not None:
            wrong[checked.run.id] = checked.rollups
        elif checked.differences:
            incomplete += 1
    bounds = (day.start, day.end, day.expired)
    changed = bool(wrong or derived.differing_days(conn, *bounds))
    conn.rollback()
    if changed:
        with generation.change(conn, redis):
            for run_id, right in wrong.items():
                rollups.delete(conn, run_id)
                rollups.insert(conn, right)
            derived.rebuild_days(conn, *bounds)
    return RebuiltDay(day.start.date(), len(wrong), incomplete, changed)


def rebuild_rankings(conn: Connection, redis: Redis, now: datetime) -> bool:
    """Derive windows and views again, then totals; return whether any was wrong.

    Totals change in a separate transaction, for whose end runs that end meanwhile have to wait.
    """
    derived.begin_snapshot(conn)
    wrong_windows = bool(derived.differing_windows(conn, now) or derived.differing_views(conn))
    wrong_totals = bool(derived.differing_totals(conn))
    conn.rollback()
    if wrong_windows:
        with generation.change(conn, redis):
            derived.rebuild_windows(conn, now)
            views.refresh_views(conn)
    if wrong_totals:
        with generation.change(conn, redis):
            derived.rebuild_totals(conn)
    return wrong_windows or wrong_totals


def _rebuild(conn: Connection, redis: Redis, run_id: int, slot: datetime) -> bool | None:
    try:
        found = rederive_ranked(conn, run_id)
        values = {METRICS[name].id: numbers for name, numbers in found.items()}
        is_right = _are_points(conn, run_id, slot, values) and _are_rollups(conn, run_id, values)
    except LookupError:
        return None
    finally:
        conn.rollback()
    if is_right:
        return False
    with generation.change(conn, redis):
        points.delete(conn, slot, run_id)
        rollups.delete(conn, run_id)
        stored = write(conn, slot, ((run_id, METRICS[name], numbers) for name, numbers in found.items()))
        runs.set_points(conn, run_id, stored)
        views.rebuild(conn, [run_id], datetime.now(UTC))
    return True


def _are_points(conn: Connection, run_id: int, slot: datetime, values: dict[int, np.ndarray]) -> bool:
    stored = points.read(conn, slot, run_id)
    return stored.keys() == values.keys() and all(
        np.array_equal(stored[metric_id], np.sort(numbers)) for metric_id, numbers in values.items()
    )


def _are_rollups(conn: Connection, run_id: int, values: dict[int, np.ndarray]) -> bool:
    stored = rollups.read(conn, run_id)
    return stored.keys() == values.keys() and all(
        _plain(stored[metric_id]) == _plain(Rollup.of(run_id, metric_id, numbers))
        for metric_id, numbers in values.items()
    )


def _plain(rollup: Rollup) -> tuple:
    return rollup.n, rollup.mean, rollup.m2, rollup.min, rollup.max, rollup.histogram.composite
