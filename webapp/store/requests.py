"""Requests: one row each, written by COPY into daily partitions; points can be derived from them again."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from itertools import islice

from webapp.store import Connection, storable

# Number of rows that are in memory as text at a time.
BATCH_ROWS = 1_000


@dataclass(frozen=True)
class Request:
    """One request of a run, with the table's columns, which `webapp.models.results` describes."""

    number: int
    warmup: bool
    level: str
    intended_ns: int
    sent_ns: int
    connect_ns: int
    first_byte_ns: int | None
    first_token_ns: int | None
    first_answer_ns: int | None
    last_token_ns: int | None
    end_ns: int
    chunk_offsets_ns: list[int]
    chunk_tokens: list[int]
    prompt_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    token_source: str | None
    finish_reason: str | None
    answered_by: str | None
    http_status: int | None
    error: str | None
    error_detail: str | None
    conversation: int | None = None
    turn: int | None = None
    answer_valid: bool | None = None


COLUMNS = ", ".join(field.name for field in fields(Request))
COPY = f"COPY requests (recorded_at, run_id, {COLUMNS}) FROM STDIN (FORMAT csv)"


def replace(conn: Connection, recorded_at: datetime, run_id: int, requests: Iterable[Request]) -> None:
    """Store the run's requests instead of those of an earlier attempt."""
    rows = iter(requests)
    with conn.cursor() as cursor:
        cursor.execute("DELETE FROM requests WHERE recorded_at = %s AND run_id = %s", (recorded_at, run_id))
        while batch := list(islice(rows, BATCH_ROWS)):
            text = io.StringIO()
            writer = csv.writer(text)
            for request in batch:
                writer.writerow([recorded_at.isoformat(), run_id, *map(_as_text, astuple(request))])
            cursor.copy_expert(COPY, io.BytesIO(text.getvalue().encode()))


def read(
    conn: Connection, recorded_at: datetime, run_id: int, after: int = -1, limit: int | None = None
) -> list[Request]:
    """Return at most `limit` of the run's requests with numbers above `after`, by number."""
    with conn.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM requests"  # noqa: S608  (constants of this file)
            " WHERE recorded_at = %s AND run_id = %s AND number > %s ORDER BY number LIMIT %s",
            (recorded_at, run_id, after, limit),
        )
        return [Request(*row) for row in cursor.fetchall()]


def _as_text(value: object) -> object:
    """Return the value as a field of CSV; None stays, and becomes NULL."""
    if isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"
    return storable(value) if isinstance(value, str) else value
