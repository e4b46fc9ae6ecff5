"""The course of a search: where it climbs from, and around which levels it bisects."""

from collections.abc import Callable

from llm_measure.capacity import Search
from llm_measure.find.course import TOLERANCE
from llm_measure.find.search import Measure, find_capacity
from llm_measure.records import SECOND_NS
from llm_measure.results import LevelResult
from llm_measure.workloads import Load
from tests.llm_measure.find.queues import answered, level, steep_at


def test_a_good_start_costs_two_levels():
    found = find_capacity(Search("rate", {"ttft:p95": 0.1}, start=200), steep_at(201))

    assert found.decided
    assert len(found.path) == 2
    assert found.low < 201 < found.high
    assert found.high / found.low <= TOLERANCE * 1.000001


def test_a_start_far_below_the_capacity_is_left_by_doubling():
    search = Search("rate", {"ttft:p90": 0.3, "itl:p99": 0.5, "error_rate": 0.05}, budget=2500, start=20)

    found = find_capacity(search, answering_in(0.25, at_most=360))

    assert len([step for step in found.path if step.load < 180]) <= 7
    assert found.low < 360 < found.high


def answering_in(seconds: float, at_most: float) -> Measure:
    """Return an endpoint of that latency, up to a rate, whose responses are streamed in two chunks."""

    def measure(load: Load) -> LevelResult:
        rate, number = load.rate or 1 / seconds, (load.requests or 0) + load.warmup
        ttft = seconds / 2 if rate <= at_most else 2 * seconds
        records = [
            answered(i, i < load.warmup, i / rate, i / rate + ttft, i / rate + ttft + seconds / 2)
            for i in range(number)
        ]
        for record in records:
            record.chunk_offsets_ns, record.chunk_tokens = [0, round(seconds / 2 * SECOND_NS)], [1, 1]
        return level(load, records)

    return measure


def test_levels_that_cannot_be_decided_do_not_stop_the_climb(monkeypatch):
    """Every level says as little as a few independent requests do."""
    monkeypatch.setattr("llm_measure.find.judging._effective", lambda *_: 3.0)
    search = Search("rate", {"ttft:p95": 0.1}, budget=4000, start=20)

    found = find_capacity(search, steep_at(201))

    assert (found.low, found.capacity, found.decided) == (None, None, False)
    assert max(step.load for step in found.path) > 201


def test_a_start_above_or_below_the_capacity_is_left_behind():
    for start in (20, 2000):
        found = find_capacity(Search("rate", {"ttft:p95": 0.1}, start=start), steep_at(201))

        assert found.decided
        assert found.low < 201 < found.high


LATE = "the client was the limit: 9 of 100 requests were sent more than 20 ms late"


def disturbed(endpoint: Measure, at: Callable[[float], bool]) -> Measure:
    """Return the endpoint, which the client cannot load as asked at those rates."""

    def measure(load: Load) -> LevelResult:
        result = endpoint(load)
        return level(load, result.records, LATE) if load.rate and at(load.rate) else result

    return measure


def test_a_load_that_the_client_cannot_hold_ends_only_the_climb():
    found = find_capacity(
        Search("rate", {"ttft:p95": 0.1}), disturbed(steep_at(1e9), lambda rate: rate > 100)
    )

    assert (found.high, found.capacity, found.decided) == (None, None, False)
    assert 100 / TOLERANCE < found.low < 100  # after 20, 40, 80 and 160, which the client could not hold
    least = min(step.load for step in found.path if step.load > 100)
    assert found.reason == f"the client was the limit at {least:.4g}: {LATE.partition(': ')[2]}"


def test_a_disturbed_level_within_the_bracket_leaves_the_other_loads():
    search = Search("rate", {"ttft:p95": 0.1})
    middle = find_capacity(search, steep_at(201)).path[5].load  # after 20, 40, 80, 160 and 320

    found = find_capacity(search, disturbed(steep_at(201), lambda rate: rate == middle))

    assert 160 < middle < 320
    assert found.decided
    assert found.low < 201 < found.high
    assert found.reason is None
    assert found.requests < search.budget


def test_a_search_that_lacks_a_disturbed_level_names_the_client():
    found = find_capacity(
        Search("rate", {"ttft:p95": 0.1}), disturbed(steep_at(201), lambda rate: 180 < rate < 220)
    )

    assert (found.low < 180, found.high > 220, found.decided, found.is_known) == (True, True, False, True)
    assert found.reason.startswith("the client was the limit at ")
