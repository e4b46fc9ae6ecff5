"""The measuring client against the mock server, whose true times are known."""

import gc
import hashlib
import json
import multiprocessing
import os
import resource
import select
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from scipy import stats

from bench.harness import Row
from bench.wire.answers import answer
from bench.wire.capture import captured, why_unable
from bench.wire.pcap import exchanges
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.arrivals import SECOND_NS, starts
from llm_measure.load.requests import request_builder
from llm_measure.metrics import derive
from llm_measure.metrics.derivations import ttft
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.workloads import Load, Workload
from webapp.settings import Settings

TTFT, ITL, TOKENS = 0.2, 0.01, 50
STREAMS, REQUESTS, BARE_REQUESTS = 1000, 40_000, 10_000
MOST_ERROR_MS = {50: 0.2, 99: 2.0}  # by quantile
MOST_CPU_RATIO = 1.5
ONE_IN = 16  # connections is compared with the wire, since capturing costs the mock server's processor
LEAST_P_VALUE = 0.01


@dataclass(frozen=True)
class Figures:
    """The figures of one measurement."""

    rate: float  # requests per second
    ttft_ms: dict[bytes, float]  # by the request's digest
    cpu_s: float  # per 10,000 requests, from planning to derived metrics
    memory_mib: float  # per 10,000 requests
    failed: int


def measure(settings: Settings) -> list[Row]:
    """1,000 streams of 50 tokens, 200 ms to the first and 10 ms between, with one core for the client."""
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[1:] or processors)
    try:
        # A separate process, so that memory and processor time are only the client's.
        with (
            running_mock_server(Behaviour(ttft=TTFT, itl=ITL, output_tokens=TOKENS)) as url,
            multiprocessing.get_context("spawn").Pool(1, _keep_to, (processors[0],)) as pool,
            tempfile.TemporaryDirectory() as folder,
        ):
            figures = pool.apply(_load, (url,))
            bare_cpu_s = pool.apply(bare, (url,))
            errors = _errors_by_wire(pool, url, Path(folder) / "level.pcap")
    finally:
        os.sched_setaffinity(0, processors)
    ideal = STREAMS / (TTFT + ITL * (TOKENS - 1))
    return [
        Row("requests with 1,000 streams / the ideal", "req/s", figures.rate, ideal,
            figures.rate / ideal, at_least=0.98),
        *(_bounded(f"error of ttft against the wire, p{q} / the bound", "ms",
                   float(np.percentile(np.abs(errors), q)), bound)
          for q, bound in MOST_ERROR_MS.items() if errors),
        Row("processor time of 10,000 requests / a bare loop that only reads", "s", figures.cpu_s, bare_cpu_s,
            figures.cpu_s / bare_cpu_s, at_most=MOST_CPU_RATIO),
        Row("memory of 10,000 requests", "MiB", figures.memory_mib),
        Row("failed requests", "", figures.failed),
        _poisson(),
    ]  # fmt: skip


def bare(url: str) -> float:
    """Return the processor time (s) of 10,000 such requests for a loop that only reads and reads the clock.

    This is the least that Python can do per chunk: nothing is parsed, and every request is the same.
    """
    address = urlsplit(url)
    body = json.dumps(
        {"messages": [{"content": "word " * 128}], "max_tokens": TOKENS, "stream": True}
    ).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
    readable, streams, kept = select.epoll(), {}, []
    for _ in range(STREAMS):
        stream = socket.create_connection((address.hostname, address.port))
        readable.register(stream.fileno(), select.EPOLLIN)
        streams[stream.fileno()] = stream
    gc.collect()
    gc.disable()
    begun, sent, ended = time.process_time(), 0, 0
    for stream in streams.values():
        stream.send(request)
        sent += 1
    while ended < BARE_REQUESTS:
        for number, _ in readable.poll(-1, STREAMS):
            data = os.read(number, 1 << 16)
            kept.append((time.monotonic_ns(), data))
            if data.endswith(b"0\r\n\r\n"):
                ended += 1
                if sent < BARE_REQUESTS:
                    streams[number].send(request)
                    sent += 1
    taken = time.process_time() - begun
    gc.enable()
    for stream in streams.values():
        stream.close()
    return taken * 10_000 / BARE_REQUESTS


def _errors_by_wire(pool: Pool, url: str, file: Path) -> list[float]:
    """Return by how many ms ttft differs from the kernel's packet times; empty if they cannot be had."""
    if reason := why_unable():
        print(f"measure: not compared with the wire: {reason}")
        return []
    port = urlsplit(url).port or 80
    with captured(file, port, ONE_IN):
        ours = pool.apply(_load, (url,)).ttft_ms
    errors = []
    for exchange in exchanges(file, port):
        text_ns, digest = answer(exchange).text_ns, _digest(bytes(exchange.request))
        if text_ns and digest in ours:
            errors.append(ours[digest] - (text_ns[0] - exchange.sent_ns) / 1e6)
    return errors


def _ttft_ms(endpoint: Endpoint, workload: Workload, records: Sequence[Record]) -> dict[bytes, float]:
    """Return each ttft by the request's digest."""
    target = f"{urlsplit(endpoint.base_url).path}/chat/completions"
    build = request_builder(endpoint, workload, workload.seed or 0, target)
    measured = [record for record in records if not record.warmup]
    return {_digest(build(record.index, None)): (ttft(record) or 0) * 1000 for record in measured}


def _digest(request: bytes) -> bytes:
    return hashlib.blake2b(request, digest_size=16).digest()


def _bounded(what: str, unit: str, ours: float, bound: float) -> Row:
    return Row(what, unit, ours, bound, ours / bound, at_most=1)


def _poisson() -> Row:
    """Compare the gaps of Poisson arrivals with the exponential distribution."""
    rate = 100.0
    gaps = np.diff(starts(Load(rate=rate, requests=100_000), seed=20)) / SECOND_NS
    p_value = stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue
    return Row("Kolmogorov-Smirnov p-value of Poisson arrivals / the bound", "", p_value, LEAST_P_VALUE,
               p_value / LEAST_P_VALUE, at_least=1)  # fmt: skip


def _keep_to(processor: int) -> None:
    os.sched_setaffinity(0, {processor})


def _load(url: str) -> Figures:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    load = Load(concurrency=STREAMS, requests=REQUESTS, warmup=STREAMS)
    endpoint, workload = Endpoint(url, "mock"), Workload(output_tokens=TOKENS, seed=20)
    result = measure_level(endpoint, workload, load)
    values = derive(result.records, {}, result.span)
    cpu_s = time.process_time() - begun
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    tens_of_thousands = len(result.records) / 10_000
    return Figures(
        rate=float(values["rps"][0]),
        ttft_ms=_ttft_ms(endpoint, workload, result.records),
        cpu_s=cpu_s / tens_of_thousands,
        memory_mib=growth / 1024 / tens_of_thousands,
        failed=sum(record.error is not None for record in result.records),
    )
