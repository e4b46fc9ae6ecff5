"""The least budget of a capacity search."""

import pytest

from llm_measure.capacity import Search
from llm_measure.find.search import find_capacity
from tests.llm_measure.find.queues import steep_at


@pytest.mark.parametrize(
    ("slo", "confidence", "strictest", "least"),
    [
        ({"ttft:p95": 0.1}, 0.95, "ttft:p95", 450),
        ({"ttft:p90": 0.3, "itl:p99": 0.5}, 0.95, "itl:p99", 2300),
        ({"ttft:p95": 0.1, "error_rate": 0.01}, 0.95, "error_rate", 2300),
        ({"ttft:p95": 0.1}, 0.99, "ttft:p95", 620),
        ({"ttft:p99.99": 0.1}, 0.95, "ttft:p99.99", 230_000),
    ],
)
def test_a_budget_too_small_for_an_objective_is_refused_with_the_least(slo, confidence, strictest, least):
    with pytest.raises(ValueError, match=r"^budget") as refused:
        Search("rate", slo, confidence, budget=least - 1)

    assert str(refused.value) == (
        f"budget={least - 1}: too few requests for {strictest} at confidence {confidence};"
        f" expected at least {least}"
    )
    assert Search("rate", slo, confidence, budget=least).budget == least


def test_the_least_budget_can_decide_a_level():
    assert find_capacity(Search("rate", {"ttft:p99": 0.1}, budget=2300), steep_at(201)).low
