"""The state of the newest run, shown while there is nothing to rank."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import current_app
from redis import RedisError

from webapp.queue.queues import runs_queue
from webapp.settings import Settings
from webapp.store import Connection, run_records
from webapp.store.run_records import RunRecord


@dataclass(frozen=True)
class State:
    """`kind` is queued, none, or the status of the newest `run`; a finished one is outside the window."""

    kind: str
    next_slot: datetime
    run: RunRecord | None = None


def state(conn: Connection, source: str) -> State:
    """Return the state of the newest run of the source."""
    settings: Settings = current_app.extensions["settings"]
    interval = settings.schedule_interval
    next_slot = datetime.fromtimestamp((time.time() // interval + 1) * interval, UTC)
    runs = run_records.read(conn, limit=1, source=source)
    if source == "simulation" and _any_queued() and (not runs or runs[0].status == "failed"):
        return State("queued", next_slot)
    return State(runs[0].status, next_slot, runs[0]) if runs else State("none", next_slot)


def _any_queued() -> bool:
    try:
        return runs_queue(current_app.extensions["redis"]).count > 0
    except RedisError:
        return False
