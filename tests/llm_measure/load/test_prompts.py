import json

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.load.datasets import DatasetError
from llm_measure.load.prompts import prompt_builder
from llm_measure.load.requests import request_builder
from llm_measure.workloads import Workload

ENDPOINT = Endpoint("http://x:8000/v1", "m")


def body(request: bytes) -> dict:
    head, _, content = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(content)}".encode() in head
    return json.loads(content)


def built(workload: Workload, index: int = 0, endpoint: Endpoint = ENDPOINT, seed: int = 1) -> dict:
    return body(request_builder(endpoint, workload, seed, "/v1/chat/completions")(index))


@pytest.mark.parametrize("tokens", [4, 5, 128, 5000])
def test_a_prompt_has_the_wanted_number_of_words(tokens):
    prompt = prompt_builder(tokens, unique=True, seed=3)

    assert {len(prompt(index).split(" ")) for index in range(200)} == {tokens}


def test_no_two_prompts_begin_alike():
    prompt = prompt_builder(64, unique=True, seed=3)
    beginnings = {tuple(prompt(index).split(" ")[:4]) for index in range(20_000)}

    assert len(beginnings) == 20_000


def test_a_seed_fixes_the_prompts_and_another_gives_others():
    assert prompt_builder(64, True, 3)(7) == prompt_builder(64, True, 3)(7)
    assert prompt_builder(64, True, 3)(7) != prompt_builder(64, True, 4)(7)


def test_one_prompt_for_all_if_asked_so():
    prompt = prompt_builder(2, unique=False, seed=3)

    assert prompt(0) == prompt(1)
    assert len(prompt(0).split(" ")) == 2


def test_a_chat_and_a_completion_ask_the_same_in_their_own_way():
    chat = built(Workload())
    completion = built(Workload(), endpoint=Endpoint("http://x/v1", "m", "completions"))

    assert chat["messages"] == [{"role": "user", "content": completion["prompt"]}]


def test_a_dataset_is_asked_row_by_row_and_again_from_the_start(tmp_path):
    rows = [
        {"prompt": 'say "é"', "output_tokens": 5},
        {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n")
    workload = Workload(dataset=str(path), output_tokens=9)

    first, second = built(workload, 0), built(workload, 1)

    assert (first["messages"], first["max_tokens"]) == ([{"role": "user", "content": 'say "é"'}], 5)
    assert (second["messages"], second["max_tokens"]) == (rows[1]["messages"], 9)
    assert built(workload, 2) == first


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "holds no prompt"),
        ('{"prompt": "a"}\nnonsense', ":2: is not JSON"),
        ('{"question": "a"}', ":1: must be an object with prompt"),
        ("[1]", ":1: must be an object"),
        ('{"prompt": 5}', ":1: must be"),
        ('{"prompt": "a", "output_tokens": 0}', ":1: output_tokens=0"),
        ('{"messages": []}', ":1: must be"),
    ],
)
def test_a_dataset_that_cannot_be_used_is_refused_with_its_line(tmp_path, text, word):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)

    with pytest.raises(DatasetError, match=word):
        built(Workload(dataset=str(path)))
    with pytest.raises(DatasetError, match="cannot be read"):
        built(Workload(dataset=str(tmp_path / "nowhere")))


def test_the_completions_api_takes_no_messages(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "hi"}]}')

    with pytest.raises(DatasetError, match="completions"):
        built(Workload(dataset=str(path)), endpoint=Endpoint("http://x/v1", "m", "completions"))
