"""Points: written by binary COPY into daily partitions, see `webapp.store.partitions`."""

import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter

import numpy as np

from webapp.store import Connection

# A COPY BINARY stream: this header, a tuple for each row, this trailer.
# https://www.postgresql.org/docs/17/sql-copy.html#SQL-COPY-BINARY-FORMAT
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# One tuple: the number of fields, then each field's length in bytes and its big-endian value.
TUPLE = np.dtype(
    [
        ("fields", ">i2"),
        ("recorded_at_length", ">i4"),
        ("recorded_at", ">i8"),  # microseconds since 2000-01-01 UTC
        ("run_id_length", ">i4"),
        ("run_id", ">i8"),
        ("metric_id_length", ">i4"),
        ("metric_id", ">i2"),
        ("value_length", ">i4"),
        ("value", ">f8"),
    ]
)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def encode(recorded_at: datetime, run_id: int, metric_id: int, values: np.ndarray) -> bytes:
    """Return one run's values (float64, any length) of one metric as COPY BINARY tuples."""
    tuples = np.empty(len(values), dtype=TUPLE)
    tuples["fields"] = 4
    tuples["recorded_at_length"] = 8
    tuples["recorded_at"] = (recorded_at - EPOCH) // timedelta(microseconds=1)
    tuples["run_id_length"] = 8
    tuples["run_id"] = run_id
    tuples["metric_id_length"] = 2
    tuples["metric_id"] = metric_id
    tuples["value_length"] = 8
    tuples["value"] = values
    return tuples.tobytes()


def copy(conn: Connection, encoded: Iterable[bytes]) -> int:
    """Insert encoded points, one chunk in memory at a time, and return their number."""
    with conn.cursor() as cursor:
        cursor.copy_expert("COPY points FROM STDIN (FORMAT binary)", _Stream(encoded), size=1 << 20)
        return cursor.rowcount


def read(conn: Connection, recorded_at: datetime, run_id: int) -> dict[int, np.ndarray]:
    """Return a run's values (float64) by metric id, in ascending order."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT metric_id, array_agg(value ORDER BY value) FROM points"
            " WHERE recorded_at = %s AND run_id = %s GROUP BY metric_id",
            (recorded_at, run_id),
        )
        return {metric_id: np.array(values, dtype=np.float64) for metric_id, values in cursor.fetchall()}


def exist(conn: Connection, since: datetime, until: datetime) -> bool:
    """Return whether there are points in [since, until)."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM points WHERE recorded_at >= %s AND recorded_at < %s)", (since, until)
        )
        return cursor.fetchone()[0]


def stream(conn: Connection, since: datetime, until: datetime) -> Iterator[tuple[int, dict[int, np.ndarray]]]:
    """Yield run ids, ascending, each with the run's values (float64) by metric id.

    Reads the points in [since, until) once, with one run in memory at a time, in the caller's transaction.
    """
    with conn.cursor("points_by_run") as cursor:
        cursor.itersize = 20  # groups of a run and a metric, each with thousands of values
        cursor.execute(
            "SELECT run_id, metric_id, array_agg(value) FROM points"
            " WHERE recorded_at >= %s AND recorded_at < %s GROUP BY run_id, metric_id ORDER BY run_id",
            (since, until),
        )
        for run_id, groups in groupby(cursor, key=itemgetter(0)):
            yield run_id, {metric_id: np.array(values, dtype=np.float64) for _, metric_id, values in groups}


def delete(conn: Connection, recorded_at: datetime, run_id: int) -> None:
    """Delete a run's points."""
    with conn.cursor() as cursor:
        cursor.execute("DELETE FROM points WHERE recorded_at = %s AND run_id = %s", (recorded_at, run_id))


class _Stream(io.RawIOBase):
    """A readable file of header, chunks and trailer that never joins them in memory."""

    def __init__(self, chunks: Iterable[bytes]):
        self._chunks = self._framed(chunks)
        self._left = memoryview(b"")

    @staticmethod
    def _framed(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield HEADER
        yield from chunks
        yield TRAILER

    def read(self, size: int = -1) -> bytes:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = memoryview(chunk)
        part, self._left = self._left[:size], self._left[size:]
        return bytes(part)
