"""Endpoints that miss their objectives at every load."""

from dataclasses import replace

import pytest

from llm_measure.capacity import Capacity, Search
from llm_measure.find.least import misses_always
from llm_measure.workloads import Load
from tests.measured import answered, level

BY_RATE = Search("rate", {"ttft:p95": 0.5})
BY_CONCURRENCY = Search("concurrency", {"ttft:p95": 0.5})


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
        (found(BY_CONCURRENCY, None, 1), True),
        (found(BY_CONCURRENCY, None, 2), False),
    ],
)
def test_no_load_is_low_enough_if_single_requests_miss(known, always):
    assert misses_always(known) is always
