"""Reading the JSON document back, so that a server can store what another machine measured."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from llm_measure.apis.base import MAX_TOKENS
from llm_measure.endpoints import Endpoint
from llm_measure.records import ERROR_CLASSES, Record
from llm_measure.results import LevelResult, SendLag
from llm_measure.workloads import Load, Workload


class UnreadableDocumentError(ValueError):
    """The text is no document with records; the message says where it is wrong and what was expected."""


@dataclass(frozen=True)
class ReadDocument:
    """A document with its levels; moments of the records count from the level's start."""

    endpoint: Endpoint
    workload: Workload
    dataset_sha256: str | None
    levels: list[LevelResult]


class _Level(msgspec.Struct):
    records: list[Record]  # first, so that it is the one named if --records was left out
    started_at: str
    duration_s: float
    valid: bool
    client_cpu_s: float
    send_lag_ms: SendLag
    load: Load
    invalid_reason: str | None = None


class _Dataset(msgspec.Struct):
    dataset_sha256: str | None = None


class _Document(msgspec.Struct):
    endpoint: Endpoint
    workload: dict[str, Any]
    levels: list[_Level]


_decode = msgspec.json.Decoder(_Document).decode


def read_document(text: str) -> ReadDocument:
    """Return the document that `llm-measure run --format json --records` has written.

    Raises UnreadableDocumentError.
    """
    try:
        found = _decode(text)
        workload = msgspec.convert(found.workload, Workload)
        dataset = msgspec.convert(found.workload, _Dataset)
        levels = [_level_result(level) for level in found.levels]
    except msgspec.ValidationError as error:
        hint = "; write it with --records" if "`records`" in str(error) else ""
        raise UnreadableDocumentError(f"{error}{hint}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableDocumentError(str(error)) from None
    if not levels:
        raise UnreadableDocumentError("levels: empty; expected at least one")
    return ReadDocument(found.endpoint, workload, dataset.dataset_sha256, levels)


def _level_result(level: _Level) -> LevelResult:
    started_at = datetime.fromisoformat(level.started_at)
    if started_at.tzinfo is None:
        raise ValueError(f"started_at={level.started_at!r}: no time zone; expected one such as +00:00")
    indexes = set()
    for record in level.records:
        _check_record(record)
        if record.index in indexes:
            raise ValueError(f"index={record.index}: duplicate; expected a different one for each record")
        indexes.add(record.index)
    return LevelResult(
        load=level.load,
        records=level.records,
        started_at=started_at.astimezone(UTC),
        start_ns=0,
        duration_s=level.duration_s,
        client_cpu_s=level.client_cpu_s,
        send_lag=level.send_lag_ms,
        valid=level.valid,
        invalid_reason=level.invalid_reason,
    )


def _check_record(record: Record) -> None:
    if record.error is not None and record.error not in ERROR_CLASSES:
        raise ValueError(
            f"error={record.error!r}: unknown error class; expected one of {', '.join(ERROR_CLASSES)}"
        )
    if len(record.chunk_offsets_ns) != len(record.chunk_tokens):
        raise ValueError(f"record {record.index}: chunk_offsets_ns and chunk_tokens differ in length")
    if not all(0 <= tokens <= MAX_TOKENS for tokens in record.chunk_tokens):
        raise ValueError(f"record {record.index}: chunk_tokens out of range; expected 0 to {MAX_TOKENS}")
