"""OpenAI's client for Azure reads the mock server, and so does ours."""

from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.workloads import Load, Workload

ASKED = {
    "model": "my-gpt",
    "messages": [{"role": "user", "content": "one two three"}],
    "max_completion_tokens": 6,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    behaviour = Behaviour(ttft=0.02, itl=0.002, api_key="key", cached_tokens=2, reasoning_tokens=2)
    with running_mock_server(behaviour) as url:
        yield url.removesuffix("/v1")


def client_of(url: str, key: str = "key") -> openai.AzureOpenAI:
    return openai.AzureOpenAI(azure_endpoint=url, api_key=key, api_version="2024-10-21", max_retries=0)


def chunks(url: str) -> list[ChatCompletionChunk]:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with client_of(url) as client, client.chat.completions.create(**ASKED | options) as stream:
        return list(stream)


def created(url: str, key: str = "key") -> ChatCompletion:
    with client_of(url, key) as client:
        return client.chat.completions.create(**ASKED)


def record_of(endpoint: Endpoint) -> Record:
    load = Load(concurrency=1, requests=1)
    return measure_level(endpoint, Workload(input_tokens=120, output_tokens=5), load).records[0]


class TestTheAzureClient:
    def test_streams_reasoning_and_text(self, url):
        deltas = [chunk.choices[0].delta for chunk in chunks(url) if chunk.choices]

        assert "".join(delta.content or "" for delta in deltas) == " of a mock server"
        assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == " the answer"

    def test_gets_the_same_streamed_and_not(self, url):
        whole, last = created(url), chunks(url)[-1]

        assert whole.choices[0].message.content == " of a mock server"
        assert (whole.choices[0].finish_reason, whole.usage) == ("length", last.usage)
        assert (whole.model, last.model) == ("my-gpt", "my-gpt")

    def test_reads_the_usage_with_its_details(self, url):
        usage = chunks(url)[-1].usage

        assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (3, 2)
        assert (usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens) == (6, 2)

    def test_reads_what_the_content_filters_found(self, url):
        first, _, third, *_ = chunks(url)

        assert (first.choices, first.model) == ([], "")
        assert first.model_extra["prompt_filter_results"][0]["content_filter_results"]["hate"] == {
            "filtered": False,
            "severity": "safe",
        }
        assert "violence" in third.choices[0].model_extra["content_filter_results"]

    def test_raises_its_own_errors(self, url):
        with pytest.raises(openai.AuthenticationError) as raised:
            created(url, "wrong")
        assert raised.value.code == "401"
        with (
            running_mock_server(Behaviour(rate_limit_rate=1.0)) as limited,
            pytest.raises(openai.RateLimitError),
        ):
            chunks(limited.removesuffix("/v1"))


@pytest.mark.parametrize(
    "base", ["", "/openai", "/openai/deployments/my-gpt", "?api-version=2025-04-01-preview"]
)
def test_our_client_counts_what_the_server_sends(url, base):
    found = record_of(Endpoint(url + base, "my-gpt", "azure", api_key="key"))

    assert (found.error, found.finish_reason, found.token_source) == (None, "length", "usage")
    assert (found.prompt_tokens, found.cached_tokens, found.answered_by) == (120, 2, None)
    assert (found.output_tokens, found.reasoning_tokens, found.chunk_tokens) == (5, 2, [1] * 5)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_newer_form_is_openais_api_with_the_key_in_another_header(url, api):
    found = record_of(Endpoint(f"{url}/openai/v1", "my-gpt", api, api_key="key", key_header="api-key"))

    assert (found.error, found.output_tokens, found.prompt_tokens) == (None, 5, 120)
