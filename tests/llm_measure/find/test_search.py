"""The search on simulated queues, whose capacity is known in closed form."""

import pytest

from bench.find.point_estimates import find_by_points
from bench.find.truth import queue_capacity
from llm_measure.capacity import Search
from llm_measure.find.search import find_capacity, searching
from llm_measure.results import LevelResult
from llm_measure.workloads import Load
from tests.llm_measure.find.queues import Outage, Queue, answered, in_conversations, level, steep_at

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


def test_a_level_far_from_the_capacity_is_not_said_to_be_too_close(monkeypatch):
    monkeypatch.setattr("llm_measure.find.judging._effective", lambda *_: 30.0)

    found = find_capacity(Search("rate", {"ttft:p95": 0.1}, budget=4000), steep_at(201))

    closed = [step.reason for step in found.path if step.reason]
    assert closed
    assert all(reason.startswith("too few requests for ttft:p95: ") for reason in closed)
    assert all(reason.endswith("say as much as 30 independent ones, of 86 at least") for reason in closed)


def test_an_objective_without_a_value_ends_the_search_after_the_first_level():
    found = find_capacity(Search("rate", {"ttft:p95": 0.1, "itl:p95": 0.1}), steep_at(201))

    assert (found.capacity, len(found.path), found.decided) == (None, 1, False)
    assert found.reason == "slo=itl:p95: no response has a value"


def test_a_search_that_ends_before_a_level_is_decided_has_no_capacity():
    searching_on = searching(Search("rate", {"ttft:p95": 0.1}), steep_at(201))

    first = next(searching_on)

    assert first.path[0].verdict == "undecided"
    assert (first.capacity, first.low, first.high, first.is_known) == (None, None, None, False)


def test_a_queue_above_saturation_misses_although_its_objective_is_not_yet_exceeded():
    search = Search("rate", {"ttft:p95": 1000.0}, budget=60_000)

    found = find_capacity(search, Queue(3, SERVERS, SERVICE_S))

    assert found.capacity == pytest.approx(SERVERS / SERVICE_S, rel=0.06)
    assert any("not sustained" in step.reason for step in found.path if step.reason)


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
    found = find_capacity(Search("rate", {"ttft:p70": 0.1}, budget=100), in_conversations)

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
