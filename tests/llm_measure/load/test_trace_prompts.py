"""Prompts of a trace against its lengths and hashes."""

import json
from collections.abc import Callable
from itertools import takewhile

import numpy as np
import pytest

from bench.traces import FOLDER
from llm_measure.endpoints import Endpoint
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.requests import most_tokens, request_builder
from llm_measure.load.trace_formats import BLOCK_TOKENS
from llm_measure.load.trace_prompts import trace_prompts
from llm_measure.load.traces import trace_of
from llm_measure.workloads import Workload

MOONCAKE = Workload(trace=str(FOLDER / "mooncake.jsonl"))
AZURE = Workload(trace=str(FOLDER / "azure.csv"))


def common(one: list, other: list) -> int:
    """How many of the first elements are the same."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


@pytest.mark.parametrize("workload", [MOONCAKE, AZURE])
def test_each_prompt_has_the_length_of_its_row(workload):
    trace = trace_of(workload)
    prompt = trace_prompts(trace, 1, WORD_BY_WORD)

    lengths = [len(prompt(row).split(" ")) for row in range(len(trace))]
    assert lengths == np.maximum(trace.input_tokens, 4).tolist()


@pytest.mark.parametrize("workload", [MOONCAKE, AZURE])
def test_lengths_follow_how_the_endpoint_counts(workload):
    trace, counting = trace_of(workload), Counting(overhead=11, tokens_per_word=1.3, probed=True)
    prompt = trace_prompts(trace, 1, counting)

    words = np.array([len(prompt(row).split(" ")) for row in range(len(trace))])
    wanted = np.maximum((trace.input_tokens - 11) / 1.3, 4)
    assert np.abs(words - wanted).max() <= 0.5


@pytest.mark.parametrize("counting", [WORD_BY_WORD, Counting(overhead=30, tokens_per_word=1.37)])
def test_prompts_begin_alike_exactly_as_far_as_their_hashes_do(counting):
    trace = trace_of(MOONCAKE)
    prompt = trace_prompts(trace, 1, counting)
    prompts = [prompt(row).split(" ") for row in range(len(trace))]
    most = 0

    for one in range(len(trace)):
        for other in range(one):
            blocks = common(trace.blocks_of(one), trace.blocks_of(other))
            shared = common(prompts[one], prompts[other])
            end = round(blocks * BLOCK_TOKENS / counting.tokens_per_word)
            shortest = min(len(prompts[one]), len(prompts[other]))
            assert min(end, shortest) <= shared < end + 4  # the first words of a block may be the same
            most = max(most, blocks)
    assert most > 5


def test_prompts_without_hashes_are_unique_from_their_first_words_on():
    prompt = trace_prompts(trace_of(AZURE), 1, WORD_BY_WORD)

    assert len({tuple(prompt(row).split(" ")[:4]) for row in range(50)}) == 50


def test_the_rest_of_a_prompt_whose_hashes_end_early_is_unique(tmp_path):
    row = {"timestamp": 0, "input_length": 1000, "output_length": 1, "hash_ids": [1]}
    path = tmp_path / "trace.jsonl"
    path.write_text(2 * (json.dumps(row) + "\n"))
    prompt = trace_prompts(trace_of(Workload(trace=str(path))), 1, WORD_BY_WORD)

    one, other = prompt(0).split(" "), prompt(1).split(" ")
    assert len(one) == len(other) == 1000
    assert BLOCK_TOKENS <= common(one, other) < BLOCK_TOKENS + 4


def builder(workload: Workload, level_index: int = 0, seed: int = 1) -> Callable[[int], dict]:
    """Returns what builds the body of a request by its index."""
    build = request_builder(
        Endpoint("http://x/v1", "m"), workload, seed, "/v1/chat/completions", level_index=level_index
    )
    return lambda index: json.loads(build(index, None).partition(b"\r\n\r\n")[2])


def words(body: dict) -> list[str]:
    (message,) = body["messages"]
    return message["content"].split(" ")


def test_a_request_asks_for_the_output_of_its_row():
    trace = trace_of(AZURE)

    assert [body["max_tokens"] for body in map(builder(AZURE), range(50))] == trace.output_tokens.tolist()
    assert most_tokens(AZURE) == 8 * int(trace.output_tokens.max()) + 32_768


def test_prompts_of_a_later_level_are_others_that_share_as_much():
    first = [*map(words, map(builder(MOONCAKE), (0, 1)))]
    second = [*map(words, map(builder(MOONCAKE, level_index=50), (50, 51)))]

    assert common(*first) == common(*second) >= BLOCK_TOKENS
    assert list(map(len, first)) == list(map(len, second))
    assert common(first[0], second[0]) < 4


def test_the_seed_decides_the_prompts():
    body = builder(MOONCAKE)(3)

    assert body == builder(MOONCAKE)(3)
    assert common(words(body), words(builder(MOONCAKE, seed=2)(3))) < 4


def test_extra_body_may_bring_the_prompt():
    workload = Workload(trace=AZURE.trace, extra_body={"messages": [{"role": "user", "content": "hi"}]})

    body = builder(workload)(3)
    assert words(body) == ["hi"]
    assert body["max_tokens"] == int(trace_of(AZURE).output_tokens[3])
