"""What a dataset's file holds, one object after another: lines of JSON, a JSON array, or a CSV table."""

import csv
import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from llm_measure.files import reason

BLANK = " \t\r\n"
BEFORE_TEXT = b"\xef\xbb\xbf" + BLANK.encode()  # a byte order mark, too
PIECE_BYTES = 1 << 20
LONGEST_CELL = 2**31 - 1  # the csv module's own limit of 131,072 is less than a long prompt
TOKENS = "output_tokens"
COLUMNS = ("prompt", TOKENS)
ALIKE = 0.9  # of two names with a wrong, missing or additional character, or two that are swapped
DECODER = json.JSONDecoder()


class DatasetError(ValueError):
    """The dataset is unusable; the message names the file and the line."""


def objects(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each object with the number of the line that it begins on, as the file is read.

    A file is CSV if its name ends with .csv, an array if it begins with a bracket, and else JSONL. Raises
    DatasetError.
    """
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".csv":
                yield from _table(file, path)
            elif file.peek().lstrip(BEFORE_TEXT).startswith(b"["):
                yield from _Array(file, path)
            else:
                yield from _lines(file, path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from None


def _texts(pieces: Iterable[bytes], path: Path) -> Iterator[str]:
    """Yield the pieces of the file as text; DatasetError with the line of what is not UTF-8."""
    decoder, line = getincrementaldecoder("utf-8-sig")(), 1
    for piece in chain(pieces, (b"",)):
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise DatasetError(f"{path}:{line}: not UTF-8") from None
        line += piece.count(b"\n")
        if text:
            yield text


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the object on each line that is not blank."""
    # Lines of bytes end with LF alone: JSON may hold other separators, U+2028 in a text or CR between tokens.
    for number, line in enumerate(_texts(file, path), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            expected = "expected an object on each line, or an array of them"
            raise DatasetError(f"{path}:{number}: not JSON; {expected}") from None


def _table(file: BinaryIO, path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the prompt of each row, and its output_tokens if that column is there and filled in."""
    usual = csv.field_size_limit(LONGEST_CELL)  # of all readers, so it is put back
    rows = csv.reader(_texts(file, path), strict=True)
    try:
        names = next(rows, [])
        _check_columns(names, f"{path}:1")
        begin = rows.line_num + 1
        for cells in rows:
            if cells and len(cells) != len(names):
                raise DatasetError(
                    f"{path}:{begin}: {len(cells)} cells; expected {len(names)}, as in the first line"
                )
            if cells:
                row = dict(zip(names, cells, strict=True))
                yield begin, {"prompt": row["prompt"], TOKENS: _number(row.get(TOKENS))}
            begin = rows.line_num + 1
    except csv.Error as error:
        raise DatasetError(f"{path}:{rows.line_num}: not CSV: {error}") from None
    finally:
        csv.field_size_limit(usual)


def _check_columns(names: Sequence[str], where: str) -> None:
    if "prompt" not in names:
        raise DatasetError(f"{where}: no column prompt; expected its name in the first line")
    for name in names:
        if name in COLUMNS and names.count(name) > 1:
            raise DatasetError(f"{where}: duplicate column {name}; expected it once")
        check_name(name, where)


def check_name(name: str, where: str) -> None:
    """Raise DatasetError for a misspelt output_tokens, which would be ignored as other unknown names are."""
    if _is_misspelt(name):
        raise DatasetError(f"{where}: {name}: unknown; expected output_tokens")


@lru_cache(maxsize=256)  # of the few names that all rows have
def _is_misspelt(name: str) -> bool:
    return name != TOKENS and bool(get_close_matches(name.lower(), [TOKENS], cutoff=ALIKE))


def _number(cell: str | None) -> int | str | None:
    """Return the whole number in a cell, what else is there, or None without anything."""
    text = (cell or "").strip()
    return int(text) if text.isascii() and text.isdecimal() else text or None


class _Array:
    """The elements of a JSON array, decoded one by one."""

    def __init__(self, file: BinaryIO, path: Path):
        self._texts, self._path = _texts(iter(lambda: file.read(PIECE_BYTES), b""), path), path
        self._text, self._at, self._line = "", 0, 1  # what is held of it, and the place within

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        self._take("[")
        if self._next() == "]":
            self._take("]")
        else:
            separator = ","
            while separator == ",":
                self._next()
                yield self._line, self._value()
                separator = self._take(",]")
        if self._next():
            raise self._fault("must end after the array")

    def _value(self) -> Any:
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._fault("nested too deeply") from None
            except ValueError:
                if not self._read():
                    raise self._fault("not JSON") from None
            else:
                self._move(end)
                return value

    def _take(self, expected: str) -> str:
        found = self._next()
        if not found or found not in expected:
            raise self._fault(f"not JSON; expected {' or '.join(expected)}")
        self._move(self._at + 1)
        return found

    def _next(self) -> str:
        """Return the next character that is not blank, without taking it; empty at the end."""
        while True:
            rest = len(self._text) - self._at
            blank = next((n for n in range(rest) if self._text[self._at + n] not in BLANK), rest)
            self._move(self._at + blank)
            if blank < rest:
                return self._text[self._at]
            if not self._read():
                return ""

    def _move(self, at: int) -> None:
        self._line += self._text.count("\n", self._at, at)
        self._at = at

    def _read(self) -> bool:
        """Hold at least twice as much of what is not yet taken; return whether there was more."""
        parts = [self._text[self._at :]]
        self._at, missing = 0, max(len(parts[0]), 1)
        while missing > 0 and (text := next(self._texts, "")):
            parts.append(text)
            missing -= len(text)
        self._text = "".join(parts)
        return len(parts) > 1

    def _fault(self, problem: str) -> DatasetError:
        return DatasetError(f"{self._path}:{self._line}: {problem}")
