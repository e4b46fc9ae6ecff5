"""Reading the JSON document back, so that a server can store what another machine measured."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from llm_measure.client.limits import MAX_LEVEL_TOKENS
from llm_measure.endpoints import Endpoint
from llm_measure.limits import MAX_TOKENS
from llm_measure.load.lengths import Lengths
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.traces import TraceFacts, check_replay
from llm_measure.records import ERROR_CLASSES, Record
from llm_measure.redaction import MAX_DETAIL, Secrets, clean, clean_texts
from llm_measure.results import Clock, HTTPVersion, LevelResult, SendLag
from llm_measure.soundness import fault, outside
from llm_measure.workloads import Load, Workload

MAX_SECONDS = 1_000_000_000  # 31 years
MAX_REQUESTS = 2**31 - 1
MAX_NESTING = 100
LEAST_PER_WORD = 1e-6  # tokens


class UnreadableDocumentError(ValueError):
    """The text is no document with records; the message says where it is wrong and what was expected."""


@dataclass(frozen=True)
class ReadDocument:
    """A document with its levels; moments of the records count from the level's start."""

    endpoint: Endpoint
    workload: Workload
    file_sha256: dict[str, str]  # by the field of the workload that names the file
    levels: list[LevelResult]


class _Level(msgspec.Struct):
    records: list[Record]  # first, so that it is the one named if --with-records was left out
    started_at: str
    duration_s: float
    valid: bool
    client_cpu_s: float
    client_wait_s: float
    clock: Clock
    send_lag_ms: SendLag
    load: Load
    invalid_reason: str | None = None
    http_version: HTTPVersion = "1.1"
    repeated_prompts: int = 0
    prompt: Counting = WORD_BY_WORD
    trace: TraceFacts | None = None


class _Files(msgspec.Struct):
    file_sha256: dict[str, str] = {}


class _Document(msgspec.Struct):
    endpoint: Endpoint
    workload: dict[str, Any]
    levels: list[_Level]


class _Kind(msgspec.Struct):
    find: Any = None  # of a search


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode = msgspec.json.Decoder(_Document).decode


def read_document(text: str) -> ReadDocument:
    """Return the document that `llm-measure run --format json --with-records` has written.

    Raises UnreadableDocumentError.
    """
    try:
        if _decode_kind(text).find is not None:
            raise ValueError("find: a search, whose levels are no runs; expected a report without --find")
        found = _decode(text)
        workload = msgspec.convert(found.workload, Workload)
        found.endpoint.asked(workload)  # which refuses a workload of another kind
        files = msgspec.convert(found.workload, _Files)
        _check_texts(found.workload)
        _check_texts(found.endpoint.extra_body)
        lengths = _lengths(workload)
        for level in found.levels:
            check_replay(workload, level.load)
        levels = [replace(_level_result(level, found.endpoint), lengths=lengths) for level in found.levels]
    except msgspec.ValidationError as error:
        hint = "; write it with --with-records" if "`records`" in str(error) else ""
        raise UnreadableDocumentError(f"{error}{hint}") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise UnreadableDocumentError(str(error)) from None
    if not levels:
        raise UnreadableDocumentError("levels: empty; expected at least one")
    return ReadDocument(found.endpoint, workload, files.file_sha256, levels)


def _lengths(workload: Workload) -> Lengths | None:
    """Return the lengths that were drawn; None without a seed, or if a file says them, which is not read."""
    is_elsewhere = {"input_tokens", "output_tokens"} & workload.files.keys()
    return None if workload.seed is None or is_elsewhere else Lengths.of(workload, workload.seed)


def _level_result(level: _Level, endpoint: Endpoint) -> LevelResult:
    started_at = datetime.fromisoformat(level.started_at)
    if started_at.tzinfo is None:
        raise ValueError(f"started_at={level.started_at!r}: no time zone; expected one such as +00:00")
    _check_numbers(level)
    _check_records(level.records)
    reason = level.invalid_reason
    return LevelResult(
        load=level.load,
        records=level.records,
        started_at=started_at.astimezone(UTC),
        start_ns=0,
        duration_s=level.duration_s,
        client_cpu_s=level.client_cpu_s,
        client_wait_s=level.client_wait_s,
        clock=level.clock,
        http_version=level.http_version,
        send_lag=level.send_lag_ms,
        valid=level.valid,
        transport=endpoint.transport,
        repeated_prompts=level.repeated_prompts,
        counting=_checked(level.prompt),
        trace=level.trace,
        invalid_reason=None if reason is None else clean(reason, MAX_DETAIL, Secrets()),
    )


def _check_texts(value: Any, levels: int = MAX_NESTING) -> None:
    """Raise ValueError for a NUL character, which a database refuses, and for too deeply nested values."""
    if not levels:
        raise ValueError(f"workload: nested too deeply; expected at most {MAX_NESTING} levels")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(f"workload={clean(value, MAX_DETAIL, Secrets())}: NUL; expected a text without")
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            _check_texts(each, levels - 1)
    elif isinstance(value, list):
        for each in value:
            _check_texts(each, levels - 1)


def _check_numbers(level: _Level) -> None:
    lag = level.send_lag_ms
    seconds = {name: getattr(level, name) for name in ("duration_s", "client_cpu_s", "client_wait_s")}
    lags = {f"send_lag_ms.{name}": getattr(lag, name) for name in ("p50", "p99", "max")}
    load = {name: getattr(level.load, name) or 0 for name in ("concurrency", "requests", "warmup")}
    rows = {} if level.trace is None else {each: getattr(level.trace, each) for each in ("rows", "left_out")}
    for name, value, low, high in (
        *((name, value, 0, MAX_SECONDS) for name, value in seconds.items()),
        *((name, value, -1000 * MAX_SECONDS, 1000 * MAX_SECONDS) for name, value in lags.items()),
        *((f"load.{name}", value, 0, MAX_REQUESTS) for name, value in load.items()),
        ("repeated_prompts", level.repeated_prompts, 0, len(level.records)),
        *((f"trace.{name}", value, 0, MAX_REQUESTS) for name, value in rows.items()),
    ):
        for found in outside(name, value, low, high):
            raise ValueError(found)


def _checked(counting: Counting) -> Counting:
    """Return it with a clean text; ValueError for numbers that no prompt can have."""
    for name, low in (("overhead", 0), ("tokens_per_word", LEAST_PER_WORD)):
        for found in outside(f"prompt.{name}", getattr(counting, name), low, MAX_TOKENS):
            raise ValueError(found)
    problem = counting.problem
    return replace(counting, problem=None if problem is None else clean(problem, MAX_DETAIL, Secrets()))


def _check_records(records: list[Record]) -> None:
    indexes = set()
    for record in records:
        _check_record(record)
        if record.index in indexes:
            raise ValueError(f"index={record.index}: duplicate; expected a different one for each record")
        indexes.add(record.index)
        clean_texts(record, Secrets())
    total = sum(record.output_tokens or 0 for record in records)
    if total > MAX_LEVEL_TOKENS:
        raise ValueError(f"output_tokens: {total} in a level; expected at most {MAX_LEVEL_TOKENS}")


def _check_record(record: Record) -> None:
    if record.error is not None and record.error not in ERROR_CLASSES:
        raise ValueError(
            f"error={record.error!r}: unknown error class; expected one of {', '.join(ERROR_CLASSES)}"
        )
    if found := fault(record):
        raise ValueError(f"record {record.index}: {found}")
