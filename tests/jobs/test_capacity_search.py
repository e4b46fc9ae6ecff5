"""Searches for the capacity of a mock server, as a job makes them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jobs.capacity_search import from_last, search_capacity
from jobs.measurement_run import MeasurementError, WorkerStopsError, fill_slot, fill_slots
from llm_measure.capacity import Search
from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Workload
from tests.searched import found, searched, step, store_search
from tests.support import query
from tests.web import free_port
from webapp.plan.measurement import Task

FIRST, SECOND = 4_102_473_600, 4_102_477_200
# The time to first token is 10 ms for each request in flight: 5 of them have 50 ms, 6 have 60 ms.
LINEAR = {"ttft": 0.01, "itl": 0, "slowdown_per_stream": 1.0}
SEARCH = Search("concurrency", {"ttft:p50": 0.055}, budget=1_000)
ASKED = Workload(output_tokens=1)


@pytest.fixture(autouse=True)
def _few_requests(monkeypatch):
    """Levels of few requests, which are enough for a median."""
    monkeypatch.setattr("llm_measure.find.search.LEAST_REQUESTS", 16)
    monkeypatch.setattr("llm_measure.client.pacing.MAX_PAUSE_S", 0.05)


def at(slot: int) -> datetime:
    return datetime.fromtimestamp(slot, UTC)


def of(url: str, search: Search = SEARCH):
    """The planned search of that server."""
    return searched(endpoint=Endpoint(url, "m"), search=search, workload=ASKED)


@pytest.mark.usefixtures("lenient_validity")
def test_the_second_slots_search_starts_at_the_firsts_result_and_costs_less(
    conn, settings, redis, mock_servers, client
):
    planned = of(mock_servers.start(**LINEAR))

    for slot in (FIRST, SECOND):
        fill_slot(settings, redis, planned, slot, "job")

    rows = query(
        conn, "SELECT id, points, measurement -> 'find' FROM runs WHERE status = 'finished' ORDER BY id"
    )
    (first, points, once), (_, _, again) = rows
    assert points == 1
    assert 3 <= once["low"] < once["high"] <= 8
    assert once["path"][0]["load"] == 1
    assert again["path"][0]["load"] == once["capacity"]
    assert len(again["path"]) < len(once["path"])
    counts = "SELECT count(*), count(DISTINCT number), count(DISTINCT level) FROM requests WHERE run_id = %s"
    numbers = query(conn, counts, first)
    assert numbers == [(once["requests"], once["requests"], len(once["path"]))]
    answer = client.get("/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@max-concurrency")
    (board,) = answer.json["metrics"]
    assert (board["metric"], [row["llm_name"] for row in board["llms"]]) == ("capacity", ["Measured"])
    assert board["llms"][0]["mean"] > 0


@pytest.mark.parametrize(
    ("last", "start"),
    [
        (found(12.0, 13.0, capacity=12.5), 12.5),
        (found(9.0, 16.0, capacity=None, decided=False), 12.0),
        (found(12.0, None, capacity=None, decided=False), 12.0),
        (found(None, 13.0, capacity=None, decided=False), None),
        (found(None, 0.1, capacity=None), None),
        (found(None, None, path=[step(7.0, "undecided")], capacity=7.0, decided=False), None),
    ],
)
def test_a_search_starts_only_from_a_load_that_is_known_to_meet_the_objectives(
    conn, settings, redis, last, start
):
    planned = searched()
    store_search(conn, settings, redis, at(FIRST), last, planned)

    assert from_last(conn, planned).load.start == start


@pytest.mark.usefixtures("lenient_validity")
def test_an_endpoint_that_misses_at_the_least_load_has_a_capacity_of_0(conn, settings, redis, mock_servers):
    planned = of(mock_servers.start(**LINEAR), replace(SEARCH, slo={"ttft:p50": 0.001}))

    fill_slot(settings, redis, planned, FIRST, "job")

    assert query(conn, "SELECT status, value FROM runs JOIN points ON run_id = id") == [("finished", 0)]


def test_a_dead_endpoint_fails_the_run_after_the_first_requests_and_their_repetition(conn, settings, redis):
    planned = of(f"http://127.0.0.1:{free_port()}/v1", Search("rate", {"error_rate": 0.1}))
    store_search(conn, settings, redis, at(FIRST), found(200.0, 210.0, search=planned.load), planned)

    with pytest.raises(MeasurementError, match=r"all \d+ requests failed \(connect"):
        fill_slot(settings, redis, planned, SECOND, "job")

    levels = query(
        conn, "SELECT DISTINCT level FROM requests JOIN runs ON runs.id = run_id WHERE status = 'failed'"
    )
    assert levels == [("concurrency 1",)]


@pytest.mark.usefixtures("lenient_validity")
def test_a_search_that_takes_too_long_ends_undecided_and_not_valid(mock_servers):
    endpoint = Endpoint(mock_servers.start(**LINEAR), "m")

    ended = search_capacity(endpoint, ASKED, SEARCH, longest_s=0.3, before_level=lambda: None)

    assert not ended.decided
    assert ended.levels[-1].invalid_reason == "stopped after 0.3 s, before the search was decided"


@pytest.mark.usefixtures("lenient_validity")
def test_a_search_ends_between_two_levels_when_its_worker_is_asked_to_stop(
    conn, settings, redis, mock_servers, monkeypatch
):
    def stop_before_the_second(redis: object) -> None:
        asked.append(redis)
        if len(asked) == 2:
            raise WorkerStopsError("the worker stops; another one measures again")

    asked: list[object] = []
    monkeypatch.setattr("jobs.measurement_run._refuse_if_stopping", stop_before_the_second)
    planned = of(mock_servers.start(**LINEAR))

    with pytest.raises(WorkerStopsError):
        fill_slots(settings, redis, Task("chat", (planned,)), FIRST, "job")

    # Nothing of it is kept, so that another worker searches from the start.
    assert query(conn, "SELECT status, measurement, (SELECT count(*) FROM requests) FROM runs") == [
        ("failed", None, 0)
    ]
