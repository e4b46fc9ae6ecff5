import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import openai
import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.workloads import Load, Workload

ASKED = {"model": "m", "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 6}


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002, api_key="key")) as url:
        yield url


@pytest.fixture
def client(url):
    with openai.OpenAI(base_url=url, api_key="key", max_retries=0) as client:
        yield client


def records(
    behaviour: Behaviour, requests: int = 1, concurrency: int = 1, **workload: object
) -> list[Record]:
    load = Load(concurrency=concurrency, requests=requests)
    with running_mock_server(behaviour) as url:
        return measure_level(Endpoint(url, "m"), Workload(**workload), load).records


def ask(
    url: str, path: str, content: dict | bytes | None = None, method: str | None = None
) -> tuple[int, dict]:
    data = json.dumps(content).encode() if isinstance(content, dict) else content
    request = urllib.request.Request(
        url.replace("/v1", path), data=data, method=method, headers={"Authorization": "Bearer key"}
    )
    with suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=5) as response:
        return response.status, json.load(response)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=5)
    with error.value as refused:
        return refused.code, json.load(refused)


class TestTheOpenAIClient:
    def test_streams_a_chat(self, client):
        chunks = list(
            client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
        )

        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert len(text.split()) == 6
        assert chunks[-2].choices[0].finish_reason == "length"
        assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (3, 6)

    def test_gets_a_chat_that_is_not_streamed(self, client):
        answer = client.chat.completions.create(**ASKED)

        assert len(answer.choices[0].message.content.split()) == 6
        assert answer.usage.total_tokens == 9

    def test_gets_the_same_completion_streamed_and_not(self, client):
        asked = {"model": "m", "prompt": "one two", "max_tokens": 4}
        streamed = "".join(part.choices[0].text for part in client.completions.create(**asked, stream=True))
        whole = client.completions.create(**asked)

        assert streamed == whole.choices[0].text
        assert (len(streamed.split()), whole.usage.prompt_tokens) == (4, 2)

    def test_lists_the_model(self, client):
        assert [model.id for model in client.models.list()] == ["mock"]

    def test_raises_its_own_errors(self, url):
        with (
            openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError, match="key"),
        ):
            stranger.chat.completions.create(**ASKED)
        with (
            running_mock_server(Behaviour(rate_limit_rate=1.0)) as limited,
            openai.OpenAI(base_url=limited, api_key="key", max_retries=0) as client,
            pytest.raises(openai.RateLimitError),
        ):
            client.chat.completions.create(**ASKED)


@pytest.mark.parametrize(
    ("path", "content", "method", "status"),
    [
        ("/health", None, None, 200),
        ("/v1/models", None, None, 200),
        ("/v1/nosuch", None, None, 404),
        ("/v1/chat/completions", None, "GET", 405),
        ("/v1/chat/completions", b"nonsense", None, 400),
        ("/v1/chat/completions", {"max_tokens": "many"}, None, 400),
    ],
)
def test_other_requests_get_json(url, path, content, method, status):
    assert ask(url, path, content, method)[0] == status


def least(measured: Callable[[], float], bound: float) -> float:
    """The least of ten tries, or the first below the bound, since a busy machine may delay any of them."""
    found = np.inf
    for _ in range(10):
        found = min(found, measured())
        if found < bound:
            break
    return found


@pytest.mark.moments
def test_times_are_exact_to_less_than_a_millisecond():
    due = 50 + 10 * np.arange(10)

    def late() -> float:
        found = records(Behaviour(ttft=0.05, itl=0.01), requests=15, output_tokens=10)
        late = np.array([record.chunk_offsets_ns for record in found]) / 1e6 - due
        assert late.min() > 0  # never early
        return np.median(late)

    assert least(late, 1) < 1


@pytest.mark.moments
def test_deviations_follow_the_seed():
    spread = Behaviour(ttft=0.1, ttft_std=0.03, itl=0.001, seed=5)
    first, second = (
        [record.first_token_ns - record.sent_ns for record in records(spread, requests=20, output_tokens=2)]
        for _ in range(2)
    )

    assert np.std(first) > 9e6
    # Independent deviations would differ by some 30 ms.
    assert np.median(np.abs(np.subtract(first, second))) < 12e6
    assert np.corrcoef(first, second)[0, 1] > 0.8


@pytest.mark.moments
def test_a_chunk_of_several_tokens_takes_several_times_longer():
    def late() -> float:
        (record,) = records(Behaviour(ttft=0.01, itl=0.01, chunk_tokens=(4,)), output_tokens=10)
        assert (len(record.chunk_tokens), sum(record.chunk_tokens)) == (3, 10)
        late = np.array(record.chunk_offsets_ns) / 1e6 - (10, 50, 70)
        assert late.min() > 0
        return late.max()

    assert least(late, 10) < 10


@pytest.mark.moments
def test_a_role_arrives_immediately_and_alone():
    (record,) = records(Behaviour(ttft=0.2, itl=0.001, role_first=True), output_tokens=3)

    assert record.first_byte_ns - record.sent_ns < 0.1e9
    assert record.first_token_ns - record.sent_ns >= 0.2e9
    assert record.output_tokens == 3


def test_reasoning_precedes_the_content_and_counts():
    (record,) = records(Behaviour(ttft=0.01, itl=0.001, reasoning_tokens=2), output_tokens=5)

    assert (record.output_tokens, len(record.chunk_offsets_ns)) == (5, 5)
    with running_mock_server(Behaviour(ttft=0, itl=0, reasoning_tokens=2)) as url:
        message = ask(url, "/v1/chat/completions", {**ASKED, "max_tokens": 5})[1]["choices"][0]["message"]
    assert (len(message["reasoning_content"].split()), len(message["content"].split())) == (2, 3)


def test_without_usage_tokens_are_an_estimate():
    (record,) = records(Behaviour(ttft=0.01, itl=0.001, usage="none"), output_tokens=5)

    assert (record.output_tokens, record.token_source, record.prompt_tokens) == (5, "chunks", None)


def test_usage_arrives_with_each_chunk_on_request():
    options = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    (record,) = records(Behaviour(ttft=0, itl=0.001, chunk_tokens=(3,)), output_tokens=7, extra_body=options)

    assert (record.chunk_tokens, record.token_source) == ([3, 3, 1], "usage")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"completion_tokens": 5, "total_tokens": 8}),
        ({"count_eos": True}, {"completion_tokens": 6, "total_tokens": 9}),
        ({"reasoning_tokens": 4, "reasoning": "hidden"},
         {"completion_tokens": 5, "total_tokens": 8, "completion_tokens_details": {"reasoning_tokens": 4}}),
        ({"reasoning_tokens": 4, "reasoning": "uncounted"},
         {"completion_tokens": 1, "total_tokens": 8, "completion_tokens_details": {"reasoning_tokens": 4}}),
        ({"cached_tokens": 2},
         {"completion_tokens": 5, "total_tokens": 8, "prompt_tokens_details": {"cached_tokens": 2}}),
        ({"cached_tokens": 9},
         {"completion_tokens": 5, "total_tokens": 8, "prompt_tokens_details": {"cached_tokens": 3}}),
    ],
)  # fmt: skip
def test_usage_is_what_the_options_say_streamed_or_not(options, expected):
    with running_mock_server(Behaviour(ttft=0, itl=0, output_tokens=5, **options)) as url:
        whole = ask(url, "/v1/chat/completions", ASKED)[1]
        last = chunks_of(url, {"include_usage": True})[-1]

    assert whole["usage"] == last["usage"] == {"prompt_tokens": 3, **expected}


def chunks_of(url: str, stream_options: dict) -> list[dict]:
    """The chunks of one streamed response."""
    asked = {**ASKED, "stream": True, "stream_options": stream_options}
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(asked).encode())
    with urllib.request.urlopen(request, timeout=5) as response:
        events = response.read().decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


@pytest.mark.parametrize("each", [False, True])
def test_zeros_are_reported_until_the_last_chunk(each):
    asked = {"include_usage": True, "continuous_usage_stats": each}
    with running_mock_server(Behaviour(ttft=0, itl=0, usage="zeros")) as url:
        counts = [chunk["usage"]["completion_tokens"] for chunk in chunks_of(url, asked)]

    assert counts == [0, 0, 0, 0, 0, 0, 0, 6]


def test_the_end_of_a_sequence_is_not_counted_where_the_maximum_cuts_it():
    (record,) = records(Behaviour(ttft=0, itl=0, count_eos=True), output_tokens=5)

    assert (record.output_tokens, record.finish_reason) == (5, "length")


def test_a_body_is_held_open_after_the_end_of_the_stream():
    with running_mock_server(Behaviour(ttft=0, itl=0, hold_open=0.3)) as url:
        begin = time.monotonic()
        assert len(chunks_of(url, {})) == 7
        assert time.monotonic() - begin >= 0.3


@pytest.mark.moments
def test_streams_slow_each_other_down_on_request():
    slow = Behaviour(ttft=0.02, itl=0.002, slowdown_per_stream=0.5)
    alone = records(slow, requests=4, output_tokens=5)
    together = records(slow, requests=16, concurrency=8, output_tokens=5)

    assert np.median(latencies(together)) > 2 * np.median(latencies(alone))


def latencies(found: list[Record]) -> list[int]:
    return [record.end_ns - record.sent_ns for record in found]


def test_a_response_ends_early_if_the_server_has_fewer_tokens():
    (record,) = records(Behaviour(ttft=0, itl=0, output_tokens=3), output_tokens=10)

    assert (record.output_tokens, record.finish_reason) == (3, "stop")


def test_a_response_may_hold_no_token():
    (record,) = records(Behaviour(ttft=0.01, output_tokens=0), output_tokens=10)

    assert (record.error, record.first_token_ns, record.output_tokens) == (None, None, 0)


def test_a_client_that_disconnects_leaves_the_server_intact():
    with running_mock_server(Behaviour(ttft=0.3, itl=0.01)) as url:
        endpoint, load = Endpoint(url, "m"), Load(concurrency=8, requests=8)
        gone = measure_level(endpoint, Workload(timeout_s=0.1), load).records
        time.sleep(0.3)
        there = measure_level(endpoint, Workload(output_tokens=2), load).records

    assert {record.error for record in gone} == {"timeout"}
    assert {record.error for record in there} == {None}
