"""The capacity between the levels that bracket it, and endpoints that miss their objectives at every load."""

from dataclasses import replace

import pytest

from llm_measure.capacity import Attained, Capacity, Search, Step, Verdict
from llm_measure.find.point import crossing, misses_always
from llm_measure.workloads import Load
from tests.measured import answered, level

SEARCH = Search("concurrency", {"ttft:p95": 0.12})
BY_RATE = Search("rate", {"ttft:p95": 0.5})


def step(load: float, share: float, verdict: Verdict) -> Step:
    return Step(load, 200, {"ttft:p95": Attained(None, None, None, verdict, share)}, verdict, None)


def test_a_concurrency_that_certainly_misses_is_not_reported_as_met():
    path = [step(25, 0, "met"), step(27, 0, "met"), step(29, 0.9, "missed")]

    assert crossing(SEARCH, path, 27, 29) == 28


def found(search: Search, low: float | None, high: float | None, ttft: float = 0.2) -> Capacity:
    """What is known after a few requests, one after another."""
    alone = level([answered(index, ttft=ttft) for index in range(8)])
    return Capacity(
        search, low, low, high, False, 8, levels=[replace(alone, load=Load(concurrency=1, requests=8))]
    )


@pytest.mark.parametrize(
    ("known", "always"),
    [
        (found(BY_RATE, None, 1.0, ttft=0.8), True),
        (found(BY_RATE, None, 1.0, ttft=0.3), False),
        (found(BY_RATE, 0.5, 1.0, ttft=0.8), False),
        (found(BY_RATE, None, None, ttft=0.8), False),
        (found(SEARCH, None, 1), True),
        (found(SEARCH, None, 2), False),
    ],
)
def test_no_load_is_low_enough_if_single_requests_miss(known, always):
    assert misses_always(known) is always
