"""One level, measured in a separate process while the wire is captured."""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.wire.answers import Answer, answer
from bench.wire.capture import captured
from bench.wire.compare import Comparison, compare
from bench.wire.pcap import exchanges
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload

ATTEMPTS = 3
INPUT_TOKENS, OUTPUT_TOKENS = 64, 48


@dataclass(frozen=True)
class Level:
    """What is asked of a server, and how hard."""

    api: str
    concurrency: int
    requests: int
    extra_body: dict[str, Any] = field(default_factory=dict)


@contextmanager
def client_process(
    niceness: int = 0, processors: set[int] | None = None, real_time: bool = False
) -> Iterator[Pool]:
    """Yield a pool of one process that measures, on these processors if they are given."""
    with multiprocessing.get_context("spawn").Pool(1, _start, (niceness, processors, real_time)) as pool:
        yield pool


def _start(niceness: int, processors: set[int] | None, real_time: bool) -> None:
    os.nice(niceness)
    if real_time:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    if processors:
        os.sched_setaffinity(0, processors)


def compared(client: Pool, url: str, model: str, level: Level) -> Comparison:
    """Compare the level with the wire; measure it again while it is not valid, as others took the processors.

    Raises CaptureError if the capture lacks anything.
    """
    for _ in range(ATTEMPTS):
        comparison = compare(*captured_level(client, url, model, level))
        if comparison.invalid_reason is None:
            break
    return comparison


def captured_level(client: Pool, url: str, model: str, level: Level) -> tuple[LevelResult, list[Answer]]:
    """Measure the level; return it, and its answers on the wire in the order in which they were asked for.

    Raises CaptureError if the capture lacks anything.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, port = Path(folder) / "level.pcap", urlsplit(url).port or 80
        with captured(file, port):
            result = measured(client, url, model, level)
        return result, [answer(exchange) for exchange in exchanges(file, port)]


def measured(client: Pool, url: str, model: str, level: Level) -> LevelResult:
    """Measure the level in the client's process."""
    return client.apply(_measure, (url, model, level))


def _measure(url: str, model: str, level: Level) -> LevelResult:
    workload = Workload(INPUT_TOKENS, OUTPUT_TOKENS, extra_body=level.extra_body)
    load = Load(concurrency=level.concurrency, requests=level.requests)
    return measure_level(Endpoint(url, model, level.api), workload, load)
