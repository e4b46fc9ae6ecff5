import numpy as np
import pytest

from llm_measure.load.arrivals import starts
from llm_measure.metrics.rates import rates
from llm_measure.records import Record
from llm_measure.workloads import Load
from tests.measured import SECOND, answered, failed

PLANS = [starts(Load(rate=2, requests=n), seed) for n in (24, 200) for seed in range(50)]


def lasting(plan: np.ndarray, seconds: np.ndarray) -> list[Record]:
    """Requests that are sent as planned and take that long."""
    return [
        Record(index, False, int(begin), int(begin), int(begin) + round(each * SECOND))
        for index, (begin, each) in enumerate(zip(plan, seconds, strict=True))
    ]


def one_by_one(plan: np.ndarray, seconds: float) -> np.ndarray:
    """The latencies at a server that answers requests one after another."""
    latencies, free = [], 0.0
    for begin in plan / SECOND:
        free = max(free, begin) + seconds
        latencies.append(free - begin)
    return np.array(latencies)


def test_the_offered_rate_is_that_of_the_load():
    for plan in PLANS:
        assert rates(lasting(plan, np.ones(len(plan)))).offered_rate == pytest.approx(2, rel=0.01)


def test_the_achieved_rate_of_an_endpoint_that_falls_behind_is_its_capacity():
    for plan in PLANS:
        found = rates(lasting(plan, one_by_one(plan, 0.8)))
        assert found.saturated
        assert 0.85 / 0.8 < found.achieved_rate < 1.001 / 0.8


def test_an_endpoint_that_keeps_up_is_not_saturated_however_its_latencies_vary():
    random = np.random.default_rng(20)
    for plan in PLANS:
        for seconds in (np.full(len(plan), 3.0), random.gamma(4, 0.25, len(plan))):
            found = rates(lasting(plan, seconds))
            assert not found.saturated
            assert found.achieved_rate == pytest.approx(2, rel=0.3)


def test_failed_requests_are_offered_and_not_achieved():
    found = rates([answered(0, warmup=True), answered(1), failed(2), answered(3), failed(4, "cancelled")])

    assert (found.offered_rate, found.achieved_rate) == (1, pytest.approx(0.5))


@pytest.mark.parametrize("records", [[], [answered(0)], [failed(0), failed(0)], [answered(0)] * 20])
def test_without_two_moments_there_is_no_rate(records):
    found = rates(records)

    assert (found.offered_rate, found.achieved_rate, found.saturated) == (None, None, False)


def test_later_turns_that_take_longer_with_their_history_saturate_nothing():
    records = [answered(number) for number in range(40)]
    for number, record in enumerate(records):
        record.conversation, record.turn = number // 20, number % 20 + 1
        record.end_ns = record.intended_ns + record.turn * SECOND
    assert not rates(records).saturated

    for record in records:
        record.conversation = record.turn = None
    assert rates(records[:20]).saturated
