"""Lengths of prompts and responses: what is drawn follows the distribution and is what is asked for."""

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from statistics import NormalDist

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.limits import MAX_TOKENS
from llm_measure.load.lengths import Lengths
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.requests import most_tokens, request_builder
from llm_measure.workloads import Workload

CHAT, EMBEDDINGS = Endpoint("http://x/v1", "m"), Endpoint("http://x/v1", "m", "embeddings")
REQUESTS = 4000
SPREAD = math.sqrt(math.log1p((400 / 512) ** 2))
MEDIAN = math.log(512) - SPREAD**2 / 2
# The probability that a length, which is the nearest whole number, is at most n.
CDFS: dict[str, Callable[[int], float]] = {
    "128..512": lambda n: min(max((n - 127) / 385, 0.0), 1.0),
    "normal:512,64": lambda n: NormalDist(512, 64).cdf(n + 0.5),
    "lognormal:512,400": lambda n: NormalDist(MEDIAN, SPREAD).cdf(math.log(n + 0.5)),
}


def bodies(workload: Workload, endpoint: Endpoint = CHAT, seed: int = 7, counting: Counting = WORD_BY_WORD):
    request = request_builder(endpoint, workload, seed, "/v1/x", counting=counting)
    return lambda index: json.loads(request(index, None).partition(b"\r\n\r\n")[2])


def words(body: dict) -> int:
    return len(body["messages"][0]["content"].split(" "))


def distance(lengths: Sequence[int], cdf: Callable[[int], float]) -> float:
    """The statistic of Kolmogorov and Smirnov, which 1.95 / sqrt(n) bounds in 999 of 1000 cases."""
    ordered = sorted(lengths)
    return max(abs(bisect_right(ordered, n) / len(ordered) - cdf(n)) for n in set(ordered))


@pytest.mark.parametrize("text", CDFS)
def test_prompts_and_maxima_follow_their_distributions(text):
    body = bodies(Workload(input_tokens=text, output_tokens=text))
    asked = [body(index) for index in range(REQUESTS)]
    prompts, maxima = [words(each) for each in asked], [each["max_tokens"] for each in asked]

    assert distance(prompts, CDFS[text]) < 1.95 / math.sqrt(REQUESTS)
    assert distance(maxima, CDFS[text]) < 1.95 / math.sqrt(REQUESTS)
    assert prompts != maxima


def test_lengths_of_a_file_are_drawn_equally_often(tmp_path):
    path = tmp_path / "lengths.txt"
    path.write_text("10\n20\n20\n300\n")
    body = bodies(Workload(input_tokens=f"file:{path}"))
    lengths = [words(body(index)) for index in range(REQUESTS)]

    assert set(lengths) == {10, 20, 300}
    assert lengths.count(20) / REQUESTS == pytest.approx(0.5, abs=0.03)


def test_the_seed_decides_the_lengths():
    workload = Workload(input_tokens="128..512", output_tokens="8..64")
    first, again, other = (bodies(workload, seed=seed) for seed in (7, 7, 8))

    assert [first(index) for index in range(20)] == [again(index) for index in range(20)]
    assert [words(first(index)) for index in range(20)] != [words(other(index)) for index in range(20)]


def test_prompts_are_as_long_as_the_endpoint_counts_and_no_shorter_than_possible():
    counting = Counting(overhead=20, tokens_per_word=1.5, probed=True)
    body, lengths = (
        bodies(Workload(input_tokens="10..100"), counting=counting),
        Lengths.of(Workload(input_tokens="10..100"), 7),
    )

    for index in range(200):
        asked = lengths.input_tokens(index)
        assert words(body(index)) == max(4, round((asked - 20) / 1.5))


def test_no_length_is_above_the_largest():
    lengths = Lengths.of(Workload(input_tokens="1..19999999", output_tokens="1..19999999"), 7)
    drawn = [(lengths.input_tokens(index), lengths.output_tokens(index)) for index in range(20)]

    assert [max(each) for each in zip(*drawn, strict=True)] == [MAX_TOKENS, MAX_TOKENS]


def test_each_input_of_a_request_has_a_length():
    workload = Workload(inputs=3, input_tokens="10..100")
    body, lengths = bodies(workload, EMBEDDINGS), Lengths.of(workload, 7)

    sent = [len(text.split(" ")) for index in range(5) for text in body(index)["input"]]

    assert sent == [lengths.input_tokens(number) for number in range(15)]


@pytest.mark.parametrize("api", ["chat", "completions", "responses", "messages", "gemini", "azure"])
def test_every_api_carries_the_maximum_that_was_drawn(api):
    workload = Workload(output_tokens="100..900")
    sent = [json.dumps(bodies(workload, Endpoint("http://x/v1", "m", api))(index)) for index in range(20)]

    lengths = Lengths.of(workload, 7)
    assert all(f": {lengths.output_tokens(index)}" in text for index, text in enumerate(sent))


def test_rows_of_a_dataset_without_a_maximum_have_one_that_is_drawn(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "output_tokens": 5}\n{"prompt": "b"}')
    workload = Workload(dataset=str(path), output_tokens="100..900")
    body, lengths = bodies(workload), Lengths.of(workload, 7)

    for index in range(6):
        asked = body(index)
        is_own = asked["messages"][0]["content"] == "a"
        assert asked["max_tokens"] == (5 if is_own else lengths.output_tokens(index))


def test_a_maximum_that_is_replaced_stays_as_it_was_given():
    workload = Workload(output_tokens="100..900", extra_body={"max_tokens": 7})

    assert {bodies(workload)(index)["max_tokens"] for index in range(5)} == {7}


def test_the_longest_response_decides_which_counts_are_plausible():
    assert most_tokens(Workload(output_tokens="10..1000")) == most_tokens(Workload(output_tokens=1000))
