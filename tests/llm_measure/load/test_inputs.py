import json

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.load.datasets import DatasetError
from llm_measure.load.inputs import QUERY_WORDS, wanted
from llm_measure.load.requests import request_builder
from llm_measure.workloads import Workload

EMBEDDINGS = Endpoint("http://x/v1", "m", "embeddings")
RERANK = Endpoint("http://x/v1", "m", "rerank")


def built(endpoint: Endpoint, workload: Workload, index: int = 0) -> tuple[bytes, dict]:
    head, _, body = request_builder(endpoint, workload, 1, "/v1/x")(index, None).partition(b"\r\n\r\n")
    return head, json.loads(body)


def body(endpoint: Endpoint, workload: Workload, index: int = 0) -> dict:
    return built(endpoint, workload, index)[1]


def test_json_is_asked_for_instead_of_a_stream():
    head, _ = built(EMBEDDINGS, Workload(inputs=1))

    assert b"\r\nAccept: application/json\r\n" in head


def test_each_text_of_each_request_is_another_one_of_the_length_asked_for():
    bodies = [body(EMBEDDINGS, Workload(inputs=8, input_tokens=32), index) for index in range(50)]

    texts = [text for content in bodies for text in content["input"]]
    assert {len(text.split()) for text in texts} == {32}
    assert len({tuple(text.split()[:4]) for text in texts}) == 400
    assert bodies[0].keys() == {"model", "input"}


def test_a_ranking_has_another_short_query_in_each_request():
    first, second = (body(RERANK, Workload(inputs=3, input_tokens=64), index) for index in range(2))

    assert first.keys() == {"model", "query", "documents"}
    assert len(first["query"].split()) == QUERY_WORDS
    assert [len(document.split()) for document in first["documents"]] == [64, 64, 64]
    assert first["query"] != second["query"]


def test_tei_is_asked_in_its_words():
    content = body(Endpoint("http://x", "m", "rerank-tei"), Workload(inputs=2))

    assert content.keys() == {"query", "texts"}


def test_one_prompt_for_all_requests_is_the_same_in_all():
    workload = Workload(inputs=2, unique_prompts=False)

    assert body(RERANK, workload, 0) == body(RERANK, workload, 5)


def test_the_extra_body_is_merged_and_decides_what_is_wanted():
    endpoint = Endpoint("http://x/v1", "m", "embeddings", extra_body={"encoding_format": "base64"})
    assert body(endpoint, Workload(inputs=1))["encoding_format"] == "base64"

    fixed = Workload(inputs=1, extra_body={"input": ["one", "two"]})
    assert body(EMBEDDINGS, fixed)["input"] == ["one", "two"]
    assert wanted(EMBEDDINGS, fixed) == (2, 2)
    assert wanted(RERANK, Workload(inputs=5, extra_body={"top_n": 2})) == (5, 2)


def test_rows_of_a_dataset_are_inputs_and_begin_again_after_the_last(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"a \u2028 {row}"}) + "\n" for row in range(5)))
    workload = Workload(inputs=2, dataset=str(path))

    texts = [text for index in range(5) for text in body(EMBEDDINGS, workload, index)["input"]]

    assert sorted(texts[:5]) == [f"a \u2028 {row}" for row in range(5)]
    assert texts[5:] == texts[:5]


def test_messages_of_a_dataset_are_refused(tmp_path):
    path = tmp_path / "talks.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "a"}]}\n')

    with pytest.raises(
        DatasetError, match=r"talks\.jsonl:1: messages are no inputs; expected a prompt in each row"
    ):
        body(EMBEDDINGS, Workload(inputs=1, dataset=str(path)))


def test_a_workload_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="inputs: missing; needed by the embeddings API"):
        EMBEDDINGS.asked(Workload())
    with pytest.raises(ValueError, match="inputs: does not apply to the chat API"):
        Endpoint("http://x/v1", "m").asked(Workload(inputs=2))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": 0}, "inputs=0: must be from 1 to 10000"),
        ({"inputs": 1, "slo": {"ttft": 1}}, "slo=ttft: unknown objective; expected one of e2e_latency"),
    ],
)
def test_what_does_not_apply_to_inputs_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        Workload(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_tokens_field": "none"}, "max_tokens_field='none': does not apply to the rerank API"),
        ({"stream_usage": False}, "stream_usage=False: does not apply to the rerank API"),
    ],
)
def test_options_of_streams_are_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        Endpoint("http://x/v1", "m", "rerank", **fields)
