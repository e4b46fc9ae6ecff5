"""The search on simulated queues, whose capacity is known in closed form."""

from collections.abc import Callable

import pytest

from bench.find.point_estimates import find_by_points
from bench.find.truth import queue_capacity
from llm_measure.capacity import Search
from llm_measure.find.search import TOLERANCE, find_capacity, searching
from llm_measure.results import LevelResult
from llm_measure.workloads import Load
from tests.llm_measure.find.queues import Outage, Queue, answered, in_conversations, level

SERVERS, SERVICE_S, SHARE, BOUND = 16, 0.08, 1 / 16, 0.06
SEARCH = Search("rate", {"ttft:p95": BOUND}, budget=40_000)
CAPACITY = queue_capacity(SERVERS, SERVICE_S, SERVICE_S * SHARE, BOUND, 0.05)
RUNS = 20


def queue(seed: int) -> Queue:
    return Queue(seed, SERVERS, SERVICE_S, SHARE)


def test_the_capacity_of_a_queue_is_found_within_5_percent_in_19_of_20_runs():
    found = [find_capacity(SEARCH, queue(seed)) for seed in range(RUNS)]

    near = [each for each in found if each.capacity and abs(each.capacity / CAPACITY - 1) <= 0.05]
    assert len(near) >= 19
    assert all(each.requests <= SEARCH.budget for each in found)
    wrong = [each for each in found if (each.low or 0) > CAPACITY or (each.high or CAPACITY) < CAPACITY]
    assert len(wrong) <= 1
    assert all(each.low <= each.capacity <= each.high for each in found)


def test_point_estimates_alone_are_wrong_more_often():
    found = [find_by_points(SEARCH, queue(seed))[0] for seed in range(RUNS)]

    assert sum(abs(capacity / CAPACITY - 1) <= 0.05 for capacity in found) < 16


def slower_with_each_stream(load: Load) -> LevelResult:
    """An endpoint whose times are 2 % longer with each other stream."""
    streams = load.concurrency or 0
    ttft = 0.1 * (1 + 0.02 * (streams - 1))
    number = (load.requests or 0) + load.warmup
    begun = [(index // streams * ttft) + index % streams * 0.0001 for index in range(number)]
    return level(load, [answered(i, i < load.warmup, at, at + ttft, at + ttft) for i, at in enumerate(begun)])


@pytest.mark.parametrize("start", [None, 26, 25, 5, 100])
def test_the_greatest_concurrency_that_meets_the_objective_is_found(start):
    search = Search("concurrency", {"ttft:p95": 0.15001}, start=start)

    found = find_capacity(search, slower_with_each_stream)

    assert found.decided
    assert found.low <= 26 < found.high  # 0.1 * (1 + 0.02 * 25) = 0.15
    assert abs(found.capacity - 26) <= 1


def test_a_good_start_costs_two_levels():
    found = find_capacity(Search("rate", {"ttft:p95": 0.1}, start=200), steep_at(201))

    assert found.decided
    assert len(found.path) == 2
    assert found.low < 201 < found.high
    assert found.high / found.low <= TOLERANCE * 1.000001


def steep_at(rate: float) -> Callable[[Load], LevelResult]:
    """Return an endpoint that is slow from a rate on."""

    def measure(load: Load) -> LevelResult:
        ttft = 0.2 if (load.rate or 0) > rate else 0.05
        number = (load.requests or 0) + load.warmup
        gap = 1 / (load.rate or 20)
        return level(
            load,
            [answered(i, i < load.warmup, i * gap, i * gap + ttft, i * gap + ttft) for i in range(number)],
        )

    return measure


def test_a_start_above_or_below_the_capacity_is_left_behind():
    for start in (20, 2000):
        found = find_capacity(Search("rate", {"ttft:p95": 0.1}, start=start), steep_at(201))

        assert found.decided
        assert found.low < 201 < found.high


def test_a_queue_above_saturation_misses_although_its_objective_is_not_yet_exceeded():
    search = Search("rate", {"ttft:p95": 1000.0}, budget=60_000)

    found = find_capacity(search, Queue(3, SERVERS, SERVICE_S))

    assert found.capacity == pytest.approx(SERVERS / SERVICE_S, rel=0.06)
    assert any("not sustained" in step.reason for step in found.path if step.reason)


def test_a_load_that_the_client_cannot_hold_ends_the_search():
    endpoint = steep_at(1e9)

    def measure(load: Load) -> LevelResult:
        result = endpoint(load)
        if (load.rate or 0) > 100:
            return level(load, result.records, "the client was the limit: it used 99% of a processor")
        return result

    found = find_capacity(Search("rate", {"ttft:p95": 0.1}), measure)

    assert found.high is None
    assert not found.decided
    assert found.low == pytest.approx(80)  # 20, 40, 80, then 160
    assert "client was the limit" in found.path[-1].reason


@pytest.mark.parametrize("kind", ["rate", "concurrency"])
def test_an_endpoint_that_never_answers_has_no_capacity_and_is_not_searched_further(kind):
    found = find_capacity(Search(kind, {"error_rate": 0.01}), dead := Outage(queue(1), first=0))

    assert (found.capacity, found.low, found.high, found.is_known) == (None, None, None, False)
    assert dead.levels == 2
    assert found.reason == (
        f"the endpoint does not answer: all {found.requests // 2} requests failed with connect:"
        " connection refused"
    )


SHORT = Search("rate", {"ttft:p90": 0.1}, budget=6000)


@pytest.mark.parametrize("number", range(0, 9, 2))
def test_a_level_that_an_outage_has_hit_is_measured_once_more(number):
    undisturbed = find_capacity(SHORT, steep_at(201))

    found = find_capacity(SHORT, Outage(steep_at(201), number, number + 1))

    assert number < len(undisturbed.levels)
    assert found.decided
    assert found.path == undisturbed.path


@pytest.mark.parametrize("kind", ["rate", "concurrency"])
def test_an_outage_ends_the_search_undecided_however_much_is_known(kind):
    search = Search(kind, {"ttft:p90": 0.5}, budget=6000)
    known = next(state for state in searching(search, Queue(1, 4, 0.1)) if state.is_known)

    found = find_capacity(search, ended := Outage(Queue(1, 4, 0.1), first=len(known.levels)))

    assert (found.capacity, found.decided, found.is_known) == (None, False, False)
    assert (found.low, found.high) == (known.low, known.high)
    assert ended.levels == len(known.levels) + 2
    assert found.reason.startswith("the endpoint stopped answering: all ")
    (step,) = (step for step in found.path if step.reason == found.reason)
    assert (step.verdict, step.attained["ttft:p90"].verdict) == ("undecided", "undecided")


def test_the_budget_of_conversations_counts_their_turns():
    found = find_capacity(Search("rate", {"ttft:p95": 0.1}, budget=2000), in_conversations)

    assert len(found.path) > 1
    assert found.requests <= 2000


def test_a_budget_below_a_level_finds_nothing():
    found = find_capacity(Search("rate", {"ttft:p95": 0.1}, budget=100), in_conversations)

    assert (found.path, found.capacity, found.decided) == ([], None, False)
    assert found.reason == "budget=100: not enough for the turns of a level"


def test_a_level_that_was_stopped_is_not_repeated():
    def measure(load: Load) -> LevelResult:
        result = steep_at(201)(load)
        if load.rate:
            return level(load, result.records[:20], "the client was the limit")
        return result

    states = list(searching(Search("rate", {"ttft:p95": 0.1}), measure))

    assert len(states[-1].levels) == 2  # the first few requests, and one level


def test_what_is_known_is_yielded_after_each_batch():
    states = list(searching(Search("rate", {"ttft:p95": 0.1}, budget=2000), steep_at(201)))

    assert [len(state.levels) for state in states] == list(range(2, len(states) + 2))
    assert states[-1].requests <= 2000
    assert states[-1].to_dict()["path"][0]["attained"]["ttft:p95"]["value"] == pytest.approx(0.05)


@pytest.mark.parametrize("kind", ["rate", "concurrency"])
def test_a_search_ends_where_even_the_least_load_misses(kind):
    search = Search(kind, {"ttft:p95": 0.05})

    found = find_capacity(search, slower_with_each_stream if kind == "concurrency" else queue_too_slow)

    assert (found.decided, found.capacity, found.low) == (True, None, None)
    assert found.requests < search.budget / 4


def queue_too_slow(load: Load) -> LevelResult:
    """An endpoint whose first tokens take 0.1 s however low the load is."""
    number, rate = (load.requests or 0) + load.warmup, load.rate or 10
    begun = [index / rate for index in range(number)]
    return level(load, [answered(i, i < load.warmup, at, at + 0.1, at + 0.1) for i, at in enumerate(begun)])
