"""Answers without a stream, large ones among them, by way of the wire."""

import json

import pytest

from llm_measure.client.answer import MAX_PARTS
from llm_measure.client.judge import SMALL_BYTES
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from tests.llm_measure.scripted import chunked, head, scripted, whole


def body(vectors: int, numbers: int = 4) -> bytes:
    data = [{"index": index, "embedding": [0.015625] * numbers} for index in range(vectors)]
    return json.dumps({"data": data, "usage": {"prompt_tokens": 9, "total_tokens": 9}}).encode()


def measured(*steps: object, inputs: int = 2, **options: object) -> LevelResult:
    with scripted(*steps, keep=True) as server:
        endpoint = Endpoint(server.url, "m", "embeddings")
        return measure_level(endpoint, Workload(inputs=inputs), Load(concurrency=1, requests=3), **options)


def outcomes(result: LevelResult) -> set[tuple]:
    return {(record.error, record.prompt_tokens) for record in result.records}


@pytest.mark.parametrize("numbers", [4, SMALL_BYTES], ids=["small", "large"])
def test_an_answer_is_right_if_it_has_a_vector_for_each_input(numbers):
    right, wrong = (whole(body(vectors, numbers), kind="application/json") for vectors in (2, 1))

    assert outcomes(measured(right)) == {(None, 9)}
    assert outcomes(measured(wrong)) == {("malformed", None)}


def test_an_answer_of_millions_of_objects_is_not_decoded():
    result = measured(whole(b'{"data": [%b{}]}' % (b"{}," * MAX_PARTS), kind="application/json"))

    assert outcomes(result) == {("malformed", None)}
    assert "objects and lists; expected at most 1000000" in result.records[0].error_detail


def test_the_moment_of_an_answer_is_that_of_its_last_byte():
    result = measured(
        head("200 OK", "application/json", "transfer-encoding: chunked"),
        *chunked(body(1))[:1],
        0.1,
        *chunked(),
        inputs=1,
    )

    assert outcomes(result) == {(None, 9)}
    for record in result.records:
        assert record.first_byte_ns - record.sent_ns < 0.09e9 < record.end_ns - record.sent_ns


def test_several_client_processes_know_what_is_asked_for():
    result = measured(whole(body(2), kind="application/json"), processes=2)

    assert outcomes(result) == {(None, 9)}
