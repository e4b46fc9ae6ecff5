"""Anthropic's official client reads the mock server, and so does ours."""

import anthropic
import pytest

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.mock_server.measured import records

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


def test_a_body_that_stays_open_ends_its_response_at_message_stop():
    (record,) = records("messages", Behaviour(ttft=0, itl=0, hold_open=60.0), output_tokens=3, timeout_s=30)

    assert record.error is None
    assert record.end_ns - record.sent_ns < 5e9
