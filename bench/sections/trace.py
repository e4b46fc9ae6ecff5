"""Traces of 10,000 requests of each format, replayed against the mock server in flat memory."""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from bench.harness import Row
from bench.traces import FORMATS, write
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.traces import trace_of
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.workloads import Load, Workload
from webapp.settings import Settings

FEW, MANY = 2_000, 10_000
RATE, SPEED = 5.0, 60.0  # requests/s of the trace, and by how much it is replayed faster
MOST_GROWTH = 1.1  # of the client's memory, from FEW to MANY requests


@dataclass(frozen=True)
class Replay:
    """What one replay took."""

    memory_mib: float  # at its peak, but for the records
    records_mib: float
    late_ms: float  # p99
    read: int  # requests
    sent: int
    failed: int


def measure(settings: Settings) -> list[Row]:
    """Traces of 10,000 requests, replayed at 300 requests/s; memory is the client's but for its records."""
    behaviour = Behaviour(ttft=0.05, itl=0.001, output_tokens=2)
    with tempfile.TemporaryDirectory() as folder, running_mock_server(behaviour) as url:
        return [row for name in FORMATS for row in _rows(name, Path(folder), url)]


def _rows(name: str, folder: Path, url: str) -> list[Row]:
    few, many = (_alone(name, folder, url, rows) for rows in (FEW, MANY))
    return [
        Row(f"{name}: memory of {MANY:,} requests / of {FEW:,}", "MiB", many.memory_mib, few.memory_mib,
            many.memory_mib / few.memory_mib, at_most=MOST_GROWTH),
        Row(f"{name}: records of {MANY:,} requests", "MiB", many.records_mib),
        Row(f"{name}: p99 of the send lag", "ms", many.late_ms),
        Row(f"{name}: requests that were sent / in the trace", "", many.sent, many.read,
            many.sent / many.read, at_least=1),
        Row(f"{name}: failed requests", "", many.failed),
    ]  # fmt: skip


def _alone(name: str, folder: Path, url: str, rows: int) -> Replay:
    """Replay a trace in a separate process, so that its peak of memory is that of this replay."""
    path = write(folder, name, rows, rate=RATE)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_replay, (str(path), url))


def _replay(path: str, url: str) -> Replay:
    workload = Workload(trace=path, seed=20)
    result = measure_level(Endpoint(url, "mock"), workload, Load(speed=SPEED))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    records = _bytes(result.records) / 2**20
    return Replay(
        memory_mib=peak - records,
        records_mib=records,
        late_ms=result.send_lag.p99,
        read=len(trace_of(workload)),
        sent=len(result.records),
        failed=sum(record.error is not None for record in result.records),
    )


def _bytes(records: Sequence[Record]) -> int:
    """Return the memory of the records, their lists and their numbers."""
    total = sys.getsizeof(records)
    for record in records:
        values = [getattr(record, each.name) for each in fields(record)]
        inner = [part for value in values if isinstance(value, list) for part in value]
        total += sum(map(sys.getsizeof, (record, *values, *inner)))
    return total
