"""Raw points of one snapshot, read in chunks, so that memory does not grow with their number."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from webapp.settings import Settings
from webapp.store import Connection, connect, sql_file

APPLICATION_NAME = "llm-benchmark export"
COLUMNS = ("recorded_at", "run_id", "llm_name", "source", "scenario", "metric", "unit", "value")
CHUNK_ROWS = 5_000
# A partition cannot be dropped while a snapshot reads it, so the server ends snapshots that last too long or
# whose client has stopped reading.
LONGEST = "30min"
LONGEST_IDLE = "2min"

POINTS = sql_file("points")

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Selection:
    """The points to export: those of [since, until) that match every filter; None matches any."""

    since: datetime
    until: datetime
    source: str
    scenario_id: int
    llm_id: int | None = None
    metric_name: str | None = None


@contextmanager
def snapshot(settings: Settings) -> Iterator[Connection]:
    """Open a connection on which every query sees the same snapshot, read-only; close it at the end.

    Raises psycopg2.OperationalError if the server is unreachable.
    """
    with closing(connect(settings, APPLICATION_NAME)) as conn:
        conn.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with conn.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_timeout = %s", (LONGEST,))
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = %s", (LONGEST_IDLE,))
            # Reads each partition from its start, even while another scan is under way in it.
            cursor.execute("SET LOCAL synchronize_seqscans = off")
        yield conn


def chunks(conn: Connection, selection: Selection) -> Iterator[list[Row]]:
    """Yield the points as rows of COLUMNS, by day and in stored order, at most CHUNK_ROWS at a time.

    Raises psycopg2.Error, at any chunk, if the server ends the snapshot.
    """
    # The cursor is not closed: it ends with the connection, which may be gone when a reader stops early.
    cursor = conn.cursor(name="points")
    cursor.execute(POINTS, asdict(selection))
    while rows := cursor.fetchmany(CHUNK_ROWS):
        yield rows
