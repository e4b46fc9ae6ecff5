"""The formats of published traces: Mooncake's JSONL, Azure's and BurstGPT's CSV.

https://github.com/kvcache-ai/Mooncake/tree/main/FAST25-release, https://github.com/Azure/AzurePublicDataset,
https://github.com/HPMLL/BurstGPT
"""

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, TextIO

import msgspec

from llm_measure.apis.base import TokenCount
from llm_measure.limits import MAX_TOKENS
from llm_measure.records import SECOND_NS

TraceFormat = Literal["mooncake", "azure", "burstgpt"]
TITLES: dict[TraceFormat, str] = {"mooncake": "Mooncake", "azure": "Azure", "burstgpt": "BurstGPT"}
BLOCK_TOKENS = 512  # of each of the hash_ids in Mooncake's
MAX_SECONDS = 4_600_000_000  # in either direction; nanoseconds from one moment to another fit into 64 bits
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEARS = range(1900, 2100)
MICROSECOND = timedelta(microseconds=1)
LONGEST_VALUE = 60  # in a message
# What is often found instead of a trace, by how it begins; bytes that are no UTF-8 are read as U+FFFD.
NO_TRACES = {
    "\x1f\ufffd": "compressed with gzip",
    "PK\x03\x04": "a ZIP archive",
    "version https://git-lfs": "a Git LFS pointer, not the file",
    "\ufffd\ufffd": "not in UTF-8",
}


class Request(NamedTuple):
    """One row: a moment of the trace's clock, and lengths in tokens."""

    moment_ns: int
    input_tokens: int
    output_tokens: int
    blocks: list[int] | tuple[()] = ()  # of the prompt, BLOCK_TOKENS each, the last one perhaps shorter


class FaultError(ValueError):
    """A line is unusable; `line` is its number, and the message has no file."""

    def __init__(self, line: int, problem: str):
        super().__init__(problem)
        self.line = line


def requests_of(file: TextIO) -> tuple[TraceFormat, Iterator[Request]]:
    """Return the format, as the first line shows it, and the rows as they are read; FaultError.

    Columns may be in any order and case. The file replaces bytes that are no UTF-8.
    """
    number, first = next(((n, line) for n, line in enumerate(file, 1) if line.strip()), (1, ""))
    lines = chain((first,), file)
    if first.lstrip().startswith("{"):
        return "mooncake", _mooncake(lines, number)
    columns = _columns(first)
    for name, readers in TABLES.items():
        if {column.casefold() for column in readers} <= {*columns}:
            fields = [(columns.index(column.casefold()), column, read) for column, read in readers.items()]
            return name, _table(lines, number, fields)
    problem = "unknown format" if first else "empty"
    problem = next((what for begin, what in NO_TRACES.items() if first.startswith(begin)), problem)
    raise FaultError(
        number, f"{problem}; expected Mooncake's JSONL, or the header of Azure's or BurstGPT's CSV"
    )


def _columns(header: str) -> list[str]:
    try:
        return [name.strip().casefold() for name in next(csv.reader([header]), ())]
    except csv.Error:  # as of a line of megabytes
        return []


class _MooncakeRow(msgspec.Struct):
    timestamp: Annotated[float, msgspec.Meta(ge=-1000 * MAX_SECONDS, le=1000 * MAX_SECONDS)]  # ms
    input_length: TokenCount
    output_length: TokenCount
    hash_ids: list[Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]] = []


EXPECTED = {
    "timestamp": f"a number of milliseconds from -{1000 * MAX_SECONDS} to {1000 * MAX_SECONDS}",
    "input_length": f"a whole number from 0 to {MAX_TOKENS}",
    "output_length": f"a whole number from 0 to {MAX_TOKENS}",
    "hash_ids": "a list of whole numbers of at most 64 bits",
}


def _mooncake(lines: Iterator[str], number: int) -> Iterator[Request]:
    decode = msgspec.json.Decoder(_MooncakeRow).decode
    for line, text in enumerate(lines, number):
        if not text.strip():
            continue
        try:
            row = decode(text)
            most = -(-row.input_length // BLOCK_TOKENS)
            if len(row.hash_ids) > most:
                raise ValueError(
                    f"hash_ids: {len(row.hash_ids)} blocks for {row.input_length} tokens; expected at most"
                    f" {most} of {BLOCK_TOKENS} tokens"
                )
        except (ValueError, RecursionError) as error:
            is_ours = not isinstance(error, (msgspec.MsgspecError, RecursionError))
            raise FaultError(line, str(error) if is_ours else _mooncake_fault(text)) from None
        moment_ns = round(row.timestamp * (SECOND_NS // 1000))
        yield Request(moment_ns, row.input_length, row.output_length, row.hash_ids)


def _mooncake_fault(text: str) -> str:
    """Return what is wrong with a line that is no row."""
    try:
        row = msgspec.json.decode(text)
    except RecursionError:
        return "nested too deeply"
    except msgspec.DecodeError:
        return "not JSON; expected an object on each line"
    faults = _faulty_fields(row) if isinstance(row, dict) else ()
    return next(iter(faults), f"must be an object with {', '.join(EXPECTED)}")


def _faulty_fields(row: dict[str, Any]) -> Iterator[str]:
    for field in msgspec.structs.fields(_MooncakeRow):
        expected = EXPECTED[field.name]
        if field.name in row:
            try:
                msgspec.convert(row[field.name], field.type)
            except msgspec.ValidationError:
                yield f"{field.name}={repr(row[field.name])[:LONGEST_VALUE]}: must be {expected}"
        elif field.required:
            yield f"{field.name}: missing; expected {expected}"


def _table(
    lines: Iterator[str], number: int, fields: list[tuple[int, str, Callable[[str], int]]]
) -> Iterator[Request]:
    """Yield the rows of a CSV file, whose header is the first line; columns are found by their names."""
    reader = csv.reader(lines)
    try:
        next(reader)
        for cells in reader:
            if any(map(str.strip, cells)):  # spreadsheets leave lines of commas
                moment_ns, input_tokens, output_tokens = (_value(cells, *field) for field in fields)
                yield Request(moment_ns, input_tokens, output_tokens)
    except (csv.Error, ValueError) as error:
        raise FaultError(number - 1 + reader.line_num, str(error)) from None


def _value(cells: list[str], column: int, name: str, read: Callable[[str], int]) -> int:
    try:
        return read(cells[column])
    except IndexError:
        raise ValueError(f"{name}: missing") from None
    except ValueError as error:
        raise ValueError(f"{name}={cells[column][:LONGEST_VALUE]!r}: {error}") from None


def _tokens(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_TOKENS:
        raise ValueError(f"must be a whole number from 0 to {MAX_TOKENS}")
    return number


def _date_ns(text: str) -> int:
    """Return the moment of a date in ns, to the microsecond; UTC without an offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date and time, such as 2023-11-16 18:17:03.9799600") from None
    if moment.year not in YEARS:
        raise ValueError(f"must be a date from {YEARS.start} to {YEARS.stop - 1}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // MICROSECOND * 1000


def _seconds_ns(text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not abs(seconds) <= MAX_SECONDS:
        raise ValueError(f"must be a number of seconds from -{MAX_SECONDS} to {MAX_SECONDS}")
    return round(seconds * SECOND_NS)


# Of each table: the columns of a row's moment and lengths, and how each is read.
TABLES: dict[TraceFormat, dict[str, Callable[[str], int]]] = {
    "azure": {"TIMESTAMP": _date_ns, "ContextTokens": _tokens, "GeneratedTokens": _tokens},
    "burstgpt": {"Timestamp": _seconds_ns, "Request tokens": _tokens, "Response tokens": _tokens},
}
