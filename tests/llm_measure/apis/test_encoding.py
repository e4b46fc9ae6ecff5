"""Answers of embeddings and rerank APIs, in the shapes that their documentation shows."""

import json
from typing import Any

import pytest

from llm_measure import apis
from llm_measure.apis.encoding import Wanted
from llm_measure.client.asked import Asked
from llm_measure.client.judge import SMALL_BYTES
from llm_measure.client.response import ends_well, parse_response
from llm_measure.records import Record
from tests.llm_measure.streams import exchange, record


def response(content: Any, pieces: int = 1, **changes: object):
    """The exchange in which this body arrived, in parts of one length."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    step = -(-len(body) // pieces) or 1
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    made = exchange(parts, [100 * number for number in range(1, len(parts) + 1)])
    made.content_type = b"application/json"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def read(
    api: str, content: Any, wanted: tuple[int, int] = (2, 2), pieces: int = 1, **changes: object
) -> Record:
    filled = record()
    asked = Asked("m", "http://x/v1/embeddings", wanted=Wanted(*wanted))
    parse_response(response(content, pieces, **changes), filled, apis.named(api), asked)
    return filled


def embeddings(*vectors: Any, indexes: tuple[int, ...] = (0, 1), **more: object) -> dict:
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in zip(indexes, vectors, strict=False)
    ]
    return {"object": "list", "data": data, "model": "m", **more}


def ranking(*results: tuple[int, float | None], **more: object) -> dict:
    scores = [{"index": index, "relevance_score": score} for index, score in results]
    return {"id": "1", "results": scores, **more}


VECTORS = ([-0.006, 0.1], [0.2, 3e-05])
RANKED = ((1, 0.99), (0, 0.003))
COUNTED = {"usage": {"prompt_tokens": 8, "total_tokens": 8}}
TOTAL = {"usage": {"total_tokens": 8}}
COHERE = {"meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}
SILICON = {"meta": {"tokens": {"input_tokens": 8, "output_tokens": 0}}}
BILLED = {"meta": {"billed_units": {"input_tokens": 8}}}
VOYAGE = {"object": "list", "data": [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": 0}]}
TEI = [{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}]
RIGHT = {
    "OpenAI": ("embeddings", embeddings(*VECTORS, **COUNTED), 8),
    "base64": ("embeddings", embeddings("zczMPc3MTD4=", "zczMPc3MTD4=", **COUNTED), 8),
    "a vector for each token": ("embeddings", embeddings([[1, 2], [3, 4]], [[-5, 6]]), None),
    "Voyage's embeddings": ("embeddings", embeddings(*VECTORS, **TOTAL), 8),
    "without usage": ("embeddings", embeddings(*VECTORS), None),
    "in any order": ("embeddings", embeddings(*VECTORS, indexes=(1, 0)), None),
    "without indexes": ("embeddings", {"data": [{"embedding": vector} for vector in VECTORS]}, None),
    "Jina and vLLM": ("rerank", ranking(*RANKED, **TOTAL), 8),
    "llama.cpp": ("rerank", ranking(*RANKED, **COUNTED), 8),
    "Cohere": ("rerank", ranking(*RANKED, **COHERE), None),
    "SiliconFlow": ("rerank", ranking(*RANKED, **SILICON), 8),
    "billed tokens": ("rerank", ranking(*RANKED, **BILLED), 8),
    "Voyage": ("rerank", VOYAGE | TOTAL, 8),
    "TEI": ("rerank-tei", TEI, None),
    "results alone": ("rerank", TEI, None),
}


@pytest.mark.parametrize(("api", "content", "prompt_tokens"), RIGHT.values(), ids=RIGHT)
@pytest.mark.parametrize("pieces", [1, 7])
def test_an_answer_for_each_input_is_right_and_has_the_servers_count(api, content, prompt_tokens, pieces):
    filled = read(api, content, pieces=pieces)

    assert (filled.error, filled.error_detail, filled.prompt_tokens) == (None, None, prompt_tokens)
    assert (filled.output_tokens, filled.first_token_ns, filled.chunk_offsets_ns) == (None, None, [])


WRONG = {
    "one is missing": ("embeddings", embeddings(VECTORS[0]), "1 embeddings; expected 2"),
    "an index twice": ("embeddings", embeddings(*VECTORS, indexes=(1, 1)), "indexes of embeddings"),
    "an index too large": ("embeddings", embeddings(*VECTORS, indexes=(1, 2)), "indexes of embeddings"),
    "an empty vector": ("embeddings", embeddings([], VECTORS[0]), "1 embeddings are empty"),
    "an empty text": ("embeddings", embeddings("", None), "2 embeddings are empty"),
    "no vector": ("embeddings", {"data": [{"index": 0}, {"index": 1}]}, "2 embeddings are empty"),
    "nothing": ("embeddings", b"", "Input data was truncated in application/json: ''"),
    "HTML": ("embeddings", b"<html>", "'<html>'"),
    "a stream": ("embeddings", b"data: {}\n\n", "'data: {}"),
    "another shape": ("embeddings", {"data": "none"}, "Expected `array"),
    "a list": ("embeddings", [[0.1]], "Expected `object`"),
    "results for one": ("rerank", ranking((0, 0.5)), "1 results; expected 2"),
    "a result twice": ("rerank", ranking((0, 0.5), (0, 0.4)), "indexes of results"),
    "no score": ("rerank", ranking((0, 0.5), (1, None)), "1 results without a score"),
    "an implausible count": ("rerank", ranking(*RANKED, usage={"prompt_tokens": -1}), "usage.prompt_tokens"),
}


@pytest.mark.parametrize(("api", "content", "detail"), WRONG.values(), ids=WRONG)
def test_anything_else_is_malformed(api, content, detail):
    filled = read(api, content)

    assert filled.error == "malformed"
    assert detail in filled.error_detail
    assert filled.prompt_tokens is None


def test_fewer_results_are_right_where_fewer_are_asked_for():
    assert read("rerank", ranking((4, 0.9), (2, 0.8)), wanted=(5, 2)).error is None
    assert read("rerank", ranking((5, 0.9), (2, 0.8)), wanted=(5, 2)).error == "malformed"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"error": {"message": "slow down", "type": "rate_limit_error"}}, "rate_limited"),
        ({"error": "slow down", "data": None}, "http_5xx"),
        ({"object": "error", "message": "slow down", "code": 400}, "http_4xx"),
    ],
)
def test_an_error_with_a_status_of_success_has_its_class(content, error):
    filled = read("embeddings", content)

    assert (filled.error, filled.error_detail) == (error, "instead of an answer: slow down")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"error": {"message": "no such model"}}, "404: no such model; asked http://x/v1/embeddings"),
        (
            {"error": "Input is too long", "error_type": "Validation"},
            "404: Input is too long; asked",
        ),  # TEI's
        ({"message": "invalid api token"}, "404: invalid api token; asked"),  # Cohere's
        ({"detail": "Failed"}, "404: Failed; asked"),  # Jina's
    ],
)
def test_a_refusal_shows_the_message_of_its_body(content, detail):
    filled = read("embeddings", content, status=404)

    assert filled.error == "http_4xx"
    assert filled.error_detail.startswith(detail)


def test_a_failed_transfer_keeps_its_class():
    filled = read("embeddings", b'{"data": [', failure="truncated", detail="the response broke off")

    assert (filled.error, filled.error_detail) == ("truncated", "the response broke off")


def test_another_model_that_answers_is_kept():
    assert read("embeddings", embeddings(*VECTORS) | {"model": "other"}).answered_by == "other"
    assert read("embeddings", embeddings(*VECTORS) | {"model": "m-latest"}).answered_by is None


def test_a_large_answer_is_held_for_right_until_it_is_parsed():
    large = response(embeddings([0.5] * SMALL_BYTES, [0.5]))

    assert ends_well(large, apis.named("embeddings"))
    assert ends_well(response(b"{}", status=500), apis.named("embeddings")) is None
    assert ends_well(response(b"{}", failure="timeout"), apis.named("embeddings")) is None


@pytest.mark.parametrize(
    ("api", "body", "wanted"),
    [
        ("embeddings", {"input": ["a", "b"]}, (2, 2)),
        ("embeddings", {"input": "a"}, (1, 1)),
        ("embeddings", {"input": [101, 102, 103]}, (1, 1)),
        ("embeddings", {"input": [[101, 102], [103]]}, (2, 2)),
        ("rerank", {"documents": ["a", "b", "c"]}, (3, 3)),
        ("rerank", {"documents": ["a", "b", "c"], "top_n": 2}, (3, 2)),
        ("rerank", {"documents": ["a", "b", "c"], "top_n": 0}, (3, 3)),
        ("rerank", {"documents": ["a", "b", "c"], "top_k": 9}, (3, 3)),
        ("rerank-tei", {"texts": ["a", "b", "c"]}, (3, 3)),
    ],
)
def test_what_is_wanted_follows_from_the_body_that_is_sent(api, body, wanted):
    assert apis.named(api).wanted(body) == wanted
