"""Reading a series of runs from CSV."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

import numpy as np

COLUMNS = ("time", "value")


class SeriesError(ValueError):
    """The text is no series; the message says where it is wrong and what was expected."""


@dataclass(frozen=True)
class Series:
    """The runs that have a value, oldest first, in arrays of equal length.

    `times` are in Unix seconds; `rows` are the indexes of the runs among all `total` rows below the header.
    """

    times: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    total: int


def read_series(file: IO[str]) -> Series:
    """Return the series of a file with a header and the columns time and value, a run a line.

    Times are ISO 8601, in UTC if they have no offset, or Unix seconds. Runs without a value have failed; they
    are left out. Raises SeriesError, without the file's name.
    """
    times, values, rows, total = [], [], [], 0
    former = -math.inf
    for row, (line, time, value) in enumerate(_lines(file)):
        moment = _time(line, time)
        if moment <= former:
            raise SeriesError(f"line {line}: time {time!r}: not after the one before; expected rising times")
        former, total = moment, row + 1
        if value:
            times.append(moment)
            values.append(_value(line, value))
            rows.append(row)
    return Series(np.array(times), np.array(values), np.array(rows, dtype=int), total)


def _lines(file: IO[str]) -> Iterator[tuple[int, str, str]]:
    """Yield time and value of each row that is not blank, with the number of its line."""
    reader = csv.reader(file, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if any(header.count(name) != 1 for name in COLUMNS):
            raise SeriesError(f"line 1: columns {','.join(header)!r}: expected a header with time and value")
        places = [header.index(name) for name in COLUMNS]
        for fields in reader:
            if fields and len(fields) != len(header):
                raise SeriesError(f"line {reader.line_num}: {len(fields)} fields: expected {len(header)}")
            if fields:
                time, value = (fields[place].strip() for place in places)
                yield reader.line_num, time, value
    except csv.Error as error:
        raise SeriesError(f"line {reader.line_num}: not CSV: {error}") from None


def _time(line: int, text: str) -> float:
    try:
        try:
            return datetime.fromtimestamp(float(text), UTC).timestamp()
        except ValueError:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise SeriesError(f"line {line}: time {text!r}: expected ISO 8601 or Unix seconds") from None


def _value(line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise SeriesError(f"line {line}: value {text!r}: expected a number above 0")
    return value
