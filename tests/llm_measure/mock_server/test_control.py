"""The behaviour of a mock server, read and changed while it serves."""

from collections.abc import Iterator

import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from tests.llm_measure.mock_server.test_server import ASKED, ask

START = Behaviour(ttft=0, itl=0, seed=7, api_key="key", control=True)


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with running_mock_server(START) as url:
        yield url


@pytest.fixture
def url(served: str) -> Iterator[str]:
    yield served
    assert ask(served, "/control", method="DELETE")[0] == 200


def patch(url: str, **changes: object) -> tuple[int, dict]:
    return ask(url, "/control", changes, "PATCH")


def test_it_shows_the_behaviour_without_the_key(url):
    status, shown = ask(url, "/control")

    assert status == 200
    assert (shown["ttft"], shown["seed"], shown["chunk_tokens"], shown["output_tokens"]) == (0, 7, [1], None)
    assert {"api_key", "control"}.isdisjoint(shown)


def test_a_change_holds_for_the_next_responses_until_the_start_is_restored(url):
    before = ask(url, "/control")[1]

    status, shown = patch(url, output_tokens=2, reasoning_tokens=1)

    assert status == 200
    assert shown == {**before, "output_tokens": 2, "reasoning_tokens": 1} == ask(url, "/control")[1]
    assert ask(url, "/v1/chat/completions", ASKED)[1]["usage"]["completion_tokens"] == 2
    assert patch(url, error_rate=1)[1]["output_tokens"] == 2
    assert ask(url, "/v1/chat/completions", ASKED)[0] == 500
    assert ask(url, "/control", method="DELETE") == (200, before)
    assert ask(url, "/v1/chat/completions", ASKED)[1]["usage"]["completion_tokens"] == 6


@pytest.mark.moments
def test_a_server_gets_slower_while_it_is_measured(url):
    def ttft() -> float:
        endpoint, load = Endpoint(url, "m", api_key="key"), Load(concurrency=1, requests=1)
        (record,) = measure_level(endpoint, Workload(output_tokens=2), load).records
        return record.first_token_ns - record.sent_ns

    patch(url, ttft=0.3)

    assert ttft() >= 0.3e9
    patch(url, ttft=0)
    assert min(ttft() for _ in range(5)) < 0.3e9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nonsense": 1}, "nonsense: unknown field; expected one of ttft, ttft_std, itl,"),
        ({"api_key": "mine"}, "api_key: unknown field; expected one of"),
        ({"control": False}, "control: unknown field; expected one of"),
        ({"ttft": "fast"}, 'ttft="fast": wrong type or value; expected number'),
        ({"ttft": -1}, "ttft=-1.0: must be from 0 to 86,400"),
        ({"output_tokens": 1.5}, "output_tokens=1.5: wrong type or value; expected integer or null"),
        ({"usage": "all"}, 'usage="all": wrong type or value; expected none or requested or zeros'),
        ({"chunk_tokens": [0]}, "chunk_tokens=[0]: must be at least 1 each"),
        ({"error_rate": 0.6, "stall_rate": 0.6}, "must not exceed 1 together"),
        (b"[]", "expected a JSON object of fields"),
        (b"\xff", "expected a JSON object of fields"),
    ],
)
def test_a_wrong_change_is_refused_as_a_whole(url, changes, message):
    before = ask(url, "/control")
    content = {"itl": 5, **changes} if isinstance(changes, dict) else changes

    status, answer = ask(url, "/control", content, "PATCH")

    assert status == 400
    assert message in answer["error"]["message"]
    assert ask(url, "/control") == before


def test_another_method_is_refused(url):
    assert ask(url, "/control", {}, "POST")[0] == 405


def test_it_requires_the_key():
    with running_mock_server(Behaviour(api_key="another", control=True)) as url:
        assert ask(url, "/control")[0] == 401


def test_a_server_has_no_control_unless_it_is_asked_for():
    with running_mock_server(Behaviour(ttft=0, itl=0)) as url:
        assert patch(url, ttft=1)[0] == 404
