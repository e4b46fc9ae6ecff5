"""All that is stored compared with what it is derived from; `flask verify` reports what differs."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from llm_measure.metrics import METRICS
from webapp.ingest.derivation import NAMES, Checked, checked, days
from webapp.ingest.persist import rederive_ranked
from webapp.settings import Settings
from webapp.store import Connection, derived
from webapp.store.derived import Difference


def differences(conn: Connection, settings: Settings, now: datetime) -> Iterator[Difference]:
    """Yield what differs, from points to views, in one snapshot of the database, which is only read.

    The connection has no transaction open, and is left in one. What has expired is not missed.
    """
    derived.begin_snapshot(conn)
    for day in days(conn, settings, now):
        for run in checked(conn, day):
            yield from run.differences
            yield from _differing_points(conn, run)
        yield from derived.differing_days(conn, day.start, day.end, day.expired)
    yield from derived.differing_windows(conn, now)
    yield from derived.differing_views(conn)
    yield from derived.differing_totals(conn)


def _differing_points(conn: Connection, found: Checked) -> Iterator[Difference]:
    """Yield the metrics of a measured run whose points are not those that its requests give."""
    run = found.run
    if run is None or not run.measured or run.status != "finished" or not found.values:
        return
    try:
        given = rederive_ranked(conn, run.id)
    except LookupError:  # the requests are no longer kept
        return
    right = {METRICS[name].id: numbers for name, numbers in given.items()}
    for metric_id in sorted(found.values.keys() | right.keys()):
        mine, other = found.values.get(metric_id), right.get(metric_id)
        if mine is None or other is None or not np.array_equal(np.sort(mine), np.sort(other)):
            where = f"run {run.id} {NAMES.get(metric_id, metric_id)}"
            both = mine is not None and other is not None
            yield Difference("points", where, ["n", "sum"] if both else [], _summary(mine), _summary(other))


def _summary(values: np.ndarray | None) -> dict[str, object] | None:
    return None if values is None else {"n": len(values), "sum": float(values.sum())}
