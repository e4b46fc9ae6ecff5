"""The capacity between the levels that bracket it."""

from llm_measure.capacity import Attained, Search, Step, Verdict
from llm_measure.find.point import crossing

SEARCH = Search("concurrency", {"ttft:p95": 0.12})


def step(load: float, share: float, verdict: Verdict) -> Step:
    return Step(load, 200, {"ttft:p95": Attained(None, None, None, verdict, share)}, verdict, None)


def test_a_concurrency_that_certainly_misses_is_not_reported_as_met():
    path = [step(25, 0, "met"), step(27, 0, "met"), step(29, 0.9, "missed")]

    assert crossing(SEARCH, path, 27, 29) == 28
