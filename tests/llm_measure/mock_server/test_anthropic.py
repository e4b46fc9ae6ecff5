"""Anthropic's official client reads the mock server, and so does ours."""

import anthropic
import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.workloads import Load, Workload

ASKED = {
    "model": "m",
    "max_tokens": 6,
    "system": "be brief",
    "messages": [{"role": "user", "content": "one two three"}],
}


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002, api_key="key", cached_tokens=2)) as url:
        yield url


def client_of(url: str, key: str = "key") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key=key, max_retries=0)


def streamed(url: str, **changes: object) -> anthropic.types.Message:
    with client_of(url) as client, client.messages.stream(**ASKED | changes) as stream:
        return stream.get_final_message()


def created(url: str, key: str = "key") -> anthropic.types.Message:
    with client_of(url, key) as client:
        return client.messages.create(**ASKED)


def texts(message: anthropic.types.Message) -> list[str]:
    return [block.thinking if block.type == "thinking" else block.text for block in message.content]


def records(behaviour: Behaviour, **workload: object) -> list[Record]:
    with running_mock_server(behaviour) as url:
        endpoint = Endpoint(url, "m", "messages", api_key=behaviour.api_key)
        return measure_level(endpoint, Workload(**workload), Load(concurrency=1, requests=1)).records


class TestTheAnthropicClient:
    def test_streams_the_text_that_the_openai_dialect_sends(self, url):
        message = streamed(url)

        assert texts(message) == [" the answer of a mock server"]
        assert (message.model, message.stop_reason) == ("m", "max_tokens")

    def test_gets_the_same_message_streamed_and_not(self, url):
        whole = created(url)

        assert texts(whole) == texts(streamed(url))
        assert (whole.stop_reason, whole.usage) == ("max_tokens", streamed(url).usage)

    def test_reads_the_usage_with_the_cached_part_of_the_prompt(self, url):
        usage = streamed(url).usage

        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (3, 2, 6)

    def test_reads_thinking_and_text_as_blocks(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, reasoning_tokens=2)) as url:
            messages = [streamed(url), created(url)]

        for message in messages:
            assert texts(message) == [" the answer", " of a mock server"]
            assert message.content[0].signature
            assert message.usage.output_tokens_details.thinking_tokens == 2

    def test_reads_a_message_that_ends_before_its_maximum(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, output_tokens=0)) as url:
            message = streamed(url)

        assert (message.content, message.stop_reason, message.usage.output_tokens) == ([], "end_turn", 0)

    def test_lists_the_model(self, url):
        with client_of(url) as client:
            assert [model.id for model in client.models.list()] == ["mock"]

    def test_raises_its_own_errors(self, url):
        with pytest.raises(anthropic.AuthenticationError, match="authentication_error"):
            created(url, "wrong")
        with client_of(url) as client, pytest.raises(anthropic.BadRequestError, match="max_tokens"):
            client.post("/v1/messages", body={"model": "m", "messages": []}, cast_to=object)
        with (
            running_mock_server(Behaviour(rate_limit_rate=1.0)) as limited,
            pytest.raises(anthropic.RateLimitError, match="rate_limit_error"),
        ):
            streamed(limited)


def test_our_client_counts_what_the_server_sends():
    behaviour = Behaviour(ttft=0.01, itl=0.001, api_key="key", cached_tokens=100, reasoning_tokens=2)
    (record,) = records(behaviour, input_tokens=120, output_tokens=5)

    assert (record.error, record.finish_reason, record.token_source) == (None, "length", "usage")
    assert (record.prompt_tokens, record.cached_tokens) == (120, 100)
    assert (record.output_tokens, record.reasoning_tokens, record.chunk_tokens) == (5, 2, [1] * 5)


def test_a_body_that_stays_open_ends_its_response_at_message_stop():
    (record,) = records(Behaviour(ttft=0, itl=0, hold_open=60.0), output_tokens=3, timeout_s=30)

    assert record.error is None
    assert record.end_ns - record.sent_ns < 5e9


@pytest.mark.parametrize("role_first", [True, False])
def test_the_start_of_the_message_comes_immediately_or_with_the_first_token(role_first):
    (record,) = records(Behaviour(ttft=0.2, itl=0.001, role_first=role_first), output_tokens=3)

    assert (record.first_byte_ns - record.sent_ns < 0.1e9) == role_first
    assert record.first_token_ns - record.sent_ns >= 0.2e9
    assert record.output_tokens == 3
