"""Stored runs brought in line with what they were derived from; `flask rebuild` and repairs use it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from redis import Redis

from llm_measure.metrics import METRICS
from webapp import generation
from webapp.ingest.attempt import write
from webapp.ingest.persist import rederive_ranked
from webapp.store import Connection, points, rollups, runs, views
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
    with generation.refresh_turn(conn), generation.change(conn, redis):
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
