"""One level of a capacity search."""

import pytest

from llm_measure.capacity import Search
from llm_measure.find.budget import LOOKS
from llm_measure.find.level import errors_of


@pytest.mark.parametrize(("kind", "ways"), [("rate", 3), ("concurrency", 2)])
def test_objectives_and_growing_latency_share_the_probability_of_a_wrong_miss(kind, ways):
    errors = errors_of(Search(kind, {"ttft:p95": 0.5, "error_rate": 0.01}, confidence=0.9))

    assert errors.met * LOOKS == pytest.approx(0.1)
    assert errors.missed * LOOKS * ways == pytest.approx(0.1)
