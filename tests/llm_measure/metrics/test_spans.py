import heapq
from collections.abc import Callable

import numpy as np
import pytest

from llm_measure.load.arrivals import starts
from llm_measure.metrics import Span, derive
from llm_measure.metrics.spans import held
from llm_measure.records import Record
from llm_measure.workloads import Load
from tests.measured import SECOND, failed


def closed_loop(load: Load, seconds: Callable[[], float]) -> list[Record]:
    """What the load's streams send to an endpoint that takes that long for a request."""
    free, records = starts(load, 1).tolist(), []
    for index in range(load.warmup + (load.requests or 0)):
        begin = heapq.heappop(free)
        end = begin + round(seconds() * SECOND)
        records.append(Record(index, index < load.warmup, begin, begin, end, output_tokens=10))
        heapq.heappush(free, end)
    return records


def rps(load: Load, records: list[Record]) -> float:
    (value,) = derive(records, {}, held(records, load.concurrency))["rps"]
    return float(value)


@pytest.mark.parametrize(
    "load",
    [
        Load(concurrency=1, requests=1),
        Load(concurrency=1, requests=5, warmup=1),
        Load(concurrency=4, requests=4),
        Load(concurrency=4, requests=5, warmup=4),
        Load(concurrency=7, requests=33),
        Load(concurrency=1000, requests=4000, warmup=1000),
        Load(concurrency=1000, requests=10_000),
    ],
)
def test_the_rate_of_an_endpoint_that_always_takes_as_long_is_exact(load):
    records = closed_loop(load, lambda: 0.69)

    assert rps(load, records) == pytest.approx(load.concurrency / 0.69, rel=0.002)
    (tokens,) = derive(records, {}, held(records, load.concurrency))["output_throughput"]
    assert tokens == pytest.approx(10 * load.concurrency / 0.69, rel=0.002)


@pytest.mark.parametrize(("deviation", "error"), [(0.1, 0.01), (0.2, 0.01), (0.7, 0.08)])
@pytest.mark.parametrize("warmup", [0, 32])
def test_the_rate_of_an_endpoint_whose_times_vary_is_right_on_average(deviation, error, warmup):
    random, load = np.random.default_rng(20), Load(concurrency=32, requests=128, warmup=warmup)
    shape = deviation**-2

    found = [rps(load, closed_loop(load, lambda: random.gamma(shape, 1 / shape))) for _ in range(60)]

    assert np.mean(found) == pytest.approx(32, rel=error)


def at(index: int, begin: float, end: float, error: str | None = None, warmup: bool = False) -> Record:
    begin_ns, end_ns = round(begin * SECOND), round(end * SECOND)
    return Record(index, warmup, begin_ns, begin_ns, end_ns, error=error)


def span(*seconds: float) -> Span:
    begin, end = (round(each * SECOND) for each in seconds)
    return Span(begin, end)


def test_the_span_is_from_the_first_to_the_last_moment_at_which_every_stream_had_a_request():
    assert held([at(0, 0, 2), at(1, 1, 4), at(2, 2, 5)], 2) == span(1, 4)


def test_a_load_that_was_never_held_has_no_span():
    assert held([at(0, 0, 2), at(1, 2, 4)], 2) is None
    assert held([], 2) is None


def test_the_span_begins_with_the_first_measured_request():
    assert held([at(0, 0, 2, warmup=True), at(1, 0, 3, warmup=True), at(2, 2, 5)], 2) == span(2, 3)


def test_a_stream_that_pauses_after_a_failure_keeps_its_place():
    records = [at(0, 0, 2), at(1, 0, 1, "http_5xx"), at(2, 1.05, 3), at(3, 2, 3)]

    assert held(records, 2) == span(0, 3)


def test_a_stream_that_is_asked_to_wait_keeps_its_place():
    records = [at(0, 0, 6), at(1, 0, 1, "rate_limited"), at(2, 5, 6)]
    assert held(records, 2) == span(0, 6)
    assert held(records[:2], 2) == span(0, 1.05)

    records[1].pause_ns = 4 * SECOND
    assert held(records[:2], 2) == span(0, 5)


def test_a_user_who_thinks_keeps_its_stream():
    records = [at(0, 0, 6), at(1, 0, 1)]
    assert held(records, 2) == span(0, 1)

    records[1].pause_ns = 4 * SECOND
    assert held(records, 2) == span(0, 5)


def test_what_was_cancelled_is_not_within_the_span():
    records = [at(0, 0, 2), at(1, 0, 3), at(2, 2, 4, "cancelled"), at(3, 3, 4, "cancelled")]

    assert held(records, 2) == span(0, 2)
    assert held([failed(0, "cancelled")], 1) is None
