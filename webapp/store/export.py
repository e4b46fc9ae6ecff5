"""Raw points read in one snapshot, a chunk in memory at a time, however many they are."""

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
# A snapshot keeps the partitions that it reads from being dropped. So the server ends it after so long, and
# sooner when the reader asks for nothing more.
LONGEST = "30min"
LONGEST_IDLE = "2min"

POINTS = sql_file("points")

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Selection:
    """Which points: those of [since, until) that match; None matches any."""

    since: datetime
    until: datetime
    source: str
    scenario_id: int
    llm_id: int | None = None
    metric_name: str | None = None


@contextmanager
def snapshot(settings: Settings) -> Iterator[Connection]:
    """A read-only connection of its own in which every query sees the same moment; closed at the end.

    Raises psycopg2.OperationalError when the server cannot be reached.
    """
    with closing(connect(settings, APPLICATION_NAME)) as conn:
        conn.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with conn.cursor() as cursor:
            cursor.execute("SET transaction_timeout = %s", (LONGEST,))
            cursor.execute("SET idle_in_transaction_session_timeout = %s", (LONGEST_IDLE,))
            # Each partition from its beginning, even while another scan is in the middle of it.
            cursor.execute("SET synchronize_seqscans = off")
        yield conn


def chunks(conn: Connection, selection: Selection) -> Iterator[list[Row]]:
    """The points as rows of COLUMNS, by day and as stored, at most CHUNK_ROWS at a time.

    Raises psycopg2.Error, at any chunk, when the server ends the snapshot.
    """
    # Never closed by itself: it ends with the connection, which may be gone when a reader stops half way.
    cursor = conn.cursor(name="points")
    cursor.execute(POINTS, asdict(selection))
    while rows := cursor.fetchmany(CHUNK_ROWS):
        yield rows
