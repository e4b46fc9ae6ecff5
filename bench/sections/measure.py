"""The measuring client against the mock server, whose true times are known."""

import gc
import json
import multiprocessing
import os
import resource
import select
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from scipy import stats

from bench.harness import Row
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.arrivals import SECOND_NS, starts
from llm_measure.metrics import derive
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from webapp.settings import Settings

TTFT, ITL, TOKENS = 0.2, 0.01, 50
STREAMS, REQUESTS, BARE_REQUESTS = 1000, 40_000, 10_000
MOST_ERROR_P50_MS, MOST_ERROR_P99_MS, MOST_CPU_S = 2.0, 10.0, 2.5
LEAST_P_VALUE = 0.01


@dataclass(frozen=True)
class Figures:
    """The figures of one measurement."""

    rate: float  # requests per second
    error_ms: np.ndarray  # of each ttft
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
        ):
            figures = pool.apply(_load, (url,))
            bare_cpu_s = pool.apply(bare, (url,))
    finally:
        os.sched_setaffinity(0, processors)
    ideal = STREAMS / (TTFT + ITL * (TOKENS - 1))
    p50, p99 = np.percentile(figures.error_ms, (50, 99))
    return [
        Row("requests with 1,000 streams / the ideal", "req/s", figures.rate, ideal,
            figures.rate / ideal, at_least=0.98),
        _bounded("error of ttft, p50 / the bound", "ms", float(p50), MOST_ERROR_P50_MS),
        _bounded("error of ttft, p99 / the bound", "ms", float(p99), MOST_ERROR_P99_MS),
        _bounded("processor time of 10,000 requests / the bound", "s", figures.cpu_s, MOST_CPU_S),
        Row("processor time of 10,000 requests / a bare loop that only reads", "s", figures.cpu_s, bare_cpu_s,
            figures.cpu_s / bare_cpu_s),
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
    result = measure_level(Endpoint(url, "mock"), Workload(output_tokens=TOKENS, seed=20), load)
    values = derive(result.records, {}, result.span)
    cpu_s = time.process_time() - begun
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    tens_of_thousands = len(result.records) / 10_000
    return Figures(
        rate=float(values["rps"][0]),
        error_ms=(values["ttft"] - TTFT) * 1000,
        cpu_s=cpu_s / tens_of_thousands,
        memory_mib=growth / 1024 / tens_of_thousands,
        failed=sum(record.error is not None for record in result.records),
    )
