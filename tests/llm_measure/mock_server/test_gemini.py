"""Google's official client reads the mock server, and so does ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google import genai
from google.genai.errors import APIError, ClientError, ServerError
from google.genai.types import GenerateContentConfig, GenerateContentResponse, HttpOptions

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.mock_server.measured import records

ASKED = {"model": "m", "contents": "one two three"}
CONFIG = {"max_output_tokens": 6, "system_instruction": "be brief"}


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002, api_key="key", cached_tokens=2)) as url:
        yield url


@contextmanager
def client_of(url: str, key: str = "key", version: str = "v1beta") -> Iterator[genai.Client]:
    options = HttpOptions(base_url=url.removesuffix("/v1"), api_version=version)
    with genai.Client(api_key=key, http_options=options) as client:
        yield client


def streamed(url: str, key: str = "key", version: str = "v1beta", **config: object) -> list:
    asked = GenerateContentConfig(**CONFIG | config)
    with client_of(url, key, version) as client:
        return list(client.models.generate_content_stream(**ASKED, config=asked))


def created(url: str, key: str = "key") -> GenerateContentResponse:
    with client_of(url, key) as client:
        return client.models.generate_content(**ASKED, config=GenerateContentConfig(**CONFIG))


def texts(*chunks: GenerateContentResponse) -> tuple[str, str]:
    """All thoughts and all of the answer."""
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    thoughts = "".join(part.text for part in parts if part.thought)
    return thoughts, "".join(part.text for part in parts if not part.thought)


def counts(response: GenerateContentResponse) -> tuple[int | None, ...]:
    used = response.usage_metadata
    return (used.prompt_token_count, used.cached_content_token_count, used.thoughts_token_count,
            used.candidates_token_count, used.total_token_count)  # fmt: skip


class TestTheGoogleClient:
    @pytest.mark.parametrize("version", ["v1", "v1beta"])
    def test_streams_the_text_that_the_openai_dialect_sends(self, url, version):
        chunks = streamed(url, version=version)

        assert texts(*chunks) == ("", " the answer of a mock server")
        assert {chunk.model_version for chunk in chunks} == {"m"}
        assert chunks[-1].candidates[0].finish_reason == "MAX_TOKENS"

    def test_gets_the_same_response_streamed_and_not(self, url):
        chunks, whole = streamed(url), created(url)

        assert texts(whole) == texts(*chunks)
        assert whole.candidates[0].finish_reason == "MAX_TOKENS"
        assert counts(whole) == counts(chunks[-1])

    def test_reads_growing_counts_in_each_chunk_with_the_cached_part_of_the_prompt(self, url):
        chunks = streamed(url)

        assert [counts(chunk) for chunk in chunks] == [
            (5, 2, None, number, 5 + number) for number in (1, 2, 3, 4, 5, 6, 6)
        ]

    def test_reads_thoughts_apart_from_the_answer(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, reasoning_tokens=2)) as url:
            chunks, whole = streamed(url), created(url)

        assert texts(*chunks) == texts(whole) == (" the answer", " of a mock server")
        assert counts(chunks[-1]) == counts(whole) == (5, None, 2, 4, 11)
        assert chunks[-1].candidates[0].content.parts[0].thought_signature

    def test_reads_a_response_that_ends_before_its_maximum(self):
        with running_mock_server(Behaviour(ttft=0, itl=0, output_tokens=0)) as url:
            (chunk,) = streamed(url)

        assert (texts(chunk), chunk.candidates[0].finish_reason) == (("", ""), "STOP")

    def test_raises_its_own_errors(self, url):
        with pytest.raises(ClientError, match="401 UNAUTHENTICATED") as refused:
            created(url, "wrong")
        assert refused.value.message == "API key missing or wrong"
        with pytest.raises(APIError, match="400 INVALID_ARGUMENT"), client_of(url) as client:
            client.models.generate_content(model="m", contents="x", config={"http_options": {
                "extra_body": {"generationConfig": {"maxOutputTokens": "many"}}}})  # fmt: skip
        with (
            running_mock_server(Behaviour(error_rate=1.0)) as broken,
            pytest.raises(ServerError, match="INTERNAL"),
        ):
            streamed(broken)


def test_our_client_finds_the_tokens_of_each_chunk_by_the_counts_in_them():
    behaviour = Behaviour(ttft=0.01, itl=0.001, chunk_tokens=(2, 5), reasoning="hidden", reasoning_tokens=100)
    (record,) = records("gemini", behaviour, output_tokens=114)

    assert (record.output_tokens, record.chunk_tokens) == (114, [2, 5, 2, 5])


def test_a_stream_that_breaks_off_is_truncated():
    (record,) = records("gemini", Behaviour(ttft=0, itl=0, truncate_rate=1.0), output_tokens=10)

    assert record.error == "truncated"
