"""OpenAI's official client reads embeddings of the mock server, and rankings have their documented shape."""

import json
import urllib.error
import urllib.request
from typing import Any

import openai
import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload

TEXTS = ["one two three", "four"]
VECTORS = [[((7 * index + place) % 255 - 127) / 128 for place in range(5)] for index in range(2)]


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, api_key="key")) as url:
        yield url


def created(url: str, **asked: object) -> openai.types.CreateEmbeddingResponse:
    with openai.OpenAI(base_url=url, api_key="key", max_retries=0) as client:
        return client.embeddings.create(model="m", input=TEXTS, **asked)


def posted(url: str, path: str, **asked: object) -> Any:
    request = urllib.request.Request(
        f"{url}/{path}", json.dumps(asked).encode(), headers={"Authorization": "Bearer key"}
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


# The client asks for base64 by itself unless a format is named.
@pytest.mark.parametrize("asked", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
def test_the_openai_client_reads_the_same_vectors_in_both_formats(url, asked):
    answer = created(url, dimensions=5, **asked)

    assert [each.embedding for each in answer.data] == VECTORS
    assert [each.index for each in answer.data] == [0, 1]
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens) == ("m", 4, 4)


def test_base64_is_a_text_of_its_numbers(url):
    answer = posted(url, "embeddings", input="one", model="m", encoding_format="base64")

    assert isinstance(answer["data"][0]["embedding"], str)
    assert len(answer["data"]) == 1


def test_a_ranking_has_the_shape_that_cohere_documents(url):
    answer = posted(url, "rerank", model="m", query="one two", documents=[*TEXTS, "five"], top_n=2)

    assert answer["results"] == [{"index": 2, "relevance_score": 0.75}, {"index": 1, "relevance_score": 0.5}]
    assert answer["meta"] == {
        "billed_units": {"search_units": 1},
        "tokens": {"input_tokens": 7, "output_tokens": 0},
    }
    assert (answer["id"], answer["model"], answer["usage"]) == ("rerank-mock", "m", {"total_tokens": 7})


@pytest.mark.parametrize("path", ["/v1", ""], ids=["below v1", "where TEI has it"])
def test_a_ranking_in_the_words_of_tei_is_a_list_alone(url, path):
    answer = posted(url.removesuffix("/v1") + path, "rerank", query="one two", texts=TEXTS)

    assert answer == [{"index": 1, "score": 0.666667}, {"index": 0, "score": 0.333333}]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("embeddings", {"model": "m"}, "body: Object missing required field `input`"),
        ("embeddings", {"input": "a", "dimensions": 0}, "body: dimensions=0: expected 1 to 8192"),
        ("rerank", {"query": "a"}, "body: documents: missing; expected a list of texts"),
    ],
)
def test_an_unusable_request_is_refused_in_the_shape_of_openai(url, path, body, message):
    with pytest.raises(urllib.error.HTTPError) as refused:
        posted(url, path, **body)

    with refused.value as answer:
        assert (answer.code, json.load(answer)["error"]["message"]) == (400, message)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"error_rate": 1}, "http_5xx"),
        ({"rate_limit_rate": 1}, "rate_limited"),
        ({"truncate_rate": 1}, "truncated"),
        ({"stall_rate": 1}, "timeout"),
    ],
)
def test_faults_are_those_of_streams(behaviour, error):
    with running_mock_server(Behaviour(ttft=0.01, **behaviour)) as url:
        endpoint = Endpoint(url, "m", "embeddings")
        result = measure_level(endpoint, Workload(inputs=2, timeout_s=0.3), Load(concurrency=1, requests=1))

    assert [record.error for record in result.records] == [error]


def test_without_usage_no_token_is_counted():
    with running_mock_server(Behaviour(ttft=0.01, usage="none")) as url:
        for api in ("embeddings", "rerank"):
            result = measure_level(
                Endpoint(url, "m", api), Workload(inputs=2), Load(concurrency=1, requests=1)
            )
            assert [(record.error, record.prompt_tokens) for record in result.records] == [(None, None)]
