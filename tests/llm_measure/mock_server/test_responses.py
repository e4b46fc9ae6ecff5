"""OpenAI's official client reads the mock server's responses, and so does ours."""

from collections.abc import Iterator

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.mock_server.measured import records

ASKED = {"model": "m", "input": "one two three", "instructions": "be brief", "max_output_tokens": 6}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002, api_key="key", cached_tokens=2)) as url:
        yield url


def client_of(url: str, key: str = "key") -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0)


def events(url: str, **changes: object) -> list[ResponseStreamEvent]:
    with client_of(url) as client, client.responses.create(**ASKED | changes, stream=True) as stream:
        return list(stream)


def created(url: str, key: str = "key", **changes: object) -> Response:
    with client_of(url, key) as client:
        return client.responses.create(**ASKED | changes)


def texts(response: Response) -> list[str]:
    return ["".join(part.text for part in item.content) for item in response.output]


class TestTheOpenAIClient:
    def test_streams_the_text_that_the_chat_dialect_sends(self, url):
        found = events(url)

        deltas = [event.delta for event in found if event.type == "response.output_text.delta"]
        assert "".join(deltas) == " the answer of a mock server"
        assert [event.sequence_number for event in found] == list(range(len(found)))

    def test_gets_the_same_response_streamed_and_not(self, url):
        last, whole = events(url)[-1], created(url)

        assert (last.type, last.response) == ("response.incomplete", whole)
        assert texts(whole) == [" the answer of a mock server"]
        assert whole.incomplete_details.reason == "max_output_tokens"

    def test_reads_each_response_as_if_it_were_the_only_one(self, url):
        for tokens, text in ((3, " the answer of"), (4, " the answer of a")):
            found = events(url, max_output_tokens=tokens)

            assert texts(found[-1].response) == [text]
            assert [event.sequence_number for event in found] == list(range(len(found)))

    def test_assembles_the_response_from_its_events(self):
        with (
            running_mock_server(Behaviour(ttft=0, itl=0, output_tokens=5, reasoning_tokens=2)) as url,
            client_of(url) as client,
            client.responses.stream(**ASKED) as stream,
        ):
            response = stream.get_final_response()

        assert texts(response) == [" the answer", " of a mock"]
        assert (response.status, response.output_text) == ("completed", " of a mock")

    def test_reads_reasoning_and_text_as_items(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, reasoning_tokens=2)) as url:
            streamed, whole = events(url), created(url)

        assert streamed[-1].response == whole
        assert [item.type for item in whole.output] == ["reasoning", "message"]
        assert texts(whole) == [" the answer", " of a mock server"]
        done = [event.text for event in streamed if event.type.endswith("_text.done")]
        assert done == texts(whole)

    def test_reads_the_usage_with_its_details(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, cached_tokens=2, reasoning_tokens=3)) as url:
            usage = created(url).usage

        assert (usage.input_tokens, usage.input_tokens_details.cached_tokens) == (5, 2)
        assert (usage.output_tokens, usage.output_tokens_details.reasoning_tokens) == (6, 3)
        assert usage.total_tokens == 11

    def test_reads_a_response_without_output(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, output_tokens=0)) as url:
            response = events(url)[-1].response

        assert (response.status, response.output, response.usage.output_tokens) == ("completed", [], 0)

    def test_may_send_items_instead_of_a_text(self, url):
        items = [
            {"role": "user", "content": [{"type": "input_text", "text": "one two"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "three"},
        ]

        assert created(url, input=items).usage.input_tokens == created(url).usage.input_tokens == 5

    def test_raises_its_own_errors(self, url):
        with pytest.raises(openai.AuthenticationError, match="key"):
            created(url, "wrong")
        with pytest.raises(openai.BadRequestError, match="max_output_tokens"):
            created(url, max_output_tokens="many")
        with (
            running_mock_server(Behaviour(rate_limit_rate=1.0)) as limited,
            pytest.raises(openai.RateLimitError),
        ):
            events(limited)


def test_a_response_that_breaks_off_is_truncated():
    (record,) = records("responses", Behaviour(ttft=0, itl=0, truncate_rate=1.0), output_tokens=6)

    assert (record.error, record.finish_reason) == ("truncated", None)
