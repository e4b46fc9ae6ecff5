"""The formats of exported points, each an encoding of rows."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from llm_measure.text import csv_cell
from webapp.store.export import COLUMNS, Row


@dataclass(frozen=True)
class Format:
    """An encoding of rows; `head` precedes the first row."""

    content_type: str
    head: bytes
    encode: Callable[[Iterable[Row]], bytes]


def encode_csv(rows: Iterable[Row]) -> bytes:
    """Return CSV (RFC 4180), with floats in the shortest form that reads back to the same bits.

    Texts that a spreadsheet would take for a formula begin with an apostrophe.
    """
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(
        (recorded_at, run_id, *map(csv_cell, texts), value) for recorded_at, run_id, *texts, value in rows
    )
    return lines.getvalue().encode()


def encode_ndjson(rows: Iterable[Row]) -> bytes:
    """Return JSON Lines: one object per row."""
    return "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows).encode()


FORMATS = {
    "csv": Format("text/csv; charset=utf-8; header=present", encode_csv([COLUMNS]), encode_csv),
    "ndjson": Format("application/x-ndjson", b"", encode_ndjson),
}
