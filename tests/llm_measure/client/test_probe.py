import json
import threading
import time

import pytest

from llm_measure import Endpoint, Load, Workload, measure
from llm_measure.client.probe import counting_of, probe_prompts
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.words import WORDS
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS

STREAM = STREAMS["role first, usage last"].body
FAST = {"ttft": 0.002, "itl": 0.001}
LOAD = Load(concurrency=4, requests=24, warmup=4)


@pytest.fixture(scope="module", params=[(0, 1.0), (12, 1.3), (20, 2.0), (7, 0.8)], ids=str)
def endpoint(request):
    template, ratio = request.param
    with running_mock_server(Behaviour(**FAST, template_tokens=template, tokens_per_word=ratio)) as url:
        yield Endpoint(url, "m")


@pytest.mark.parametrize("tokens", [32, 128, 1000])
def test_prompts_have_the_tokens_that_were_asked_for_as_the_endpoint_counts_them(endpoint, tokens):
    result = measure(endpoint, Workload(input_tokens=tokens, output_tokens=1), LOAD)

    counted = [record.prompt_tokens for record in result.records if not record.warmup]
    assert sum(counted) / len(counted) == pytest.approx(tokens, rel=0.02)


def test_prompts_of_various_lengths_have_their_mean(endpoint):
    result = measure(endpoint, Workload(input_tokens="64..256", output_tokens="1..9"), LOAD)

    (level,) = result.to_dict()["levels"]
    assert level["prompt"]["probed"]
    assert level["prompt_tokens"]["counted"] == pytest.approx(level["prompt_tokens"]["asked"], rel=0.02)


def test_so_have_the_texts_of_embeddings_and_those_of_rerank_are_counted_in_words():
    with running_mock_server(Behaviour(**FAST, template_tokens=2, tokens_per_word=1.4)) as url:
        workload = Workload(input_tokens=100, inputs=4)
        embedded = measure(Endpoint(url, "m", "embeddings"), workload, LOAD)
        ranked = measure(Endpoint(url, "m", "rerank"), workload, LOAD)

    counted = [record.prompt_tokens for record in embedded.records if not record.warmup]
    assert sum(counted) / len(counted) == pytest.approx(4 * 100, rel=0.02)
    assert embedded.to_dict()["levels"][0]["prompt"]["probed"]
    assert not ranked.to_dict()["levels"][0]["prompt"]["probed"]


def test_without_a_probe_each_word_counts_as_a_token():
    with running_mock_server(Behaviour(**FAST, template_tokens=12, tokens_per_word=1.5)) as url:
        result = measure(Endpoint(url, "m"), Workload(input_tokens=100, output_tokens=1), LOAD, probe=False)

    assert {record.prompt_tokens for record in result.records} == {162}
    assert not result.to_dict()["levels"][0]["prompt"]["probed"]


def test_the_probe_is_no_part_of_the_level():
    with running_mock_server(Behaviour(**FAST, template_tokens=5)) as url:
        result = measure(Endpoint(url, "m"), Workload(input_tokens=20, output_tokens=2), LOAD)

    (level,) = result.to_dict()["levels"]
    assert [record.index for record in result.records] == list(range(28))
    assert level["prompt"] == {
        "overhead": 5, "tokens_per_word": 1.0, "probed": True, "problem": None, "words": 15.0,
    }  # fmt: skip


def test_the_report_names_a_template_that_is_longer_than_what_was_asked_for():
    with running_mock_server(Behaviour(**FAST, template_tokens=50)) as url:
        result = measure(Endpoint(url, "m"), Workload(input_tokens=32, output_tokens=1), LOAD)

    (level,) = result.to_dict()["levels"]
    assert level["prompt"]["words"] == 4
    assert "Prompts have 54 tokens instead of 32: the endpoint's template alone has 50." in level["warnings"]


def test_cached_tokens_of_a_template_are_no_doubt_about_the_prompts():
    with running_mock_server(Behaviour(**FAST, template_tokens=50, cached_tokens=50)) as url:
        result = measure(Endpoint(url, "m"), Workload(input_tokens=100, output_tokens=1), LOAD)

    (level,) = result.to_dict()["levels"]
    assert not [text for text in level["warnings"] if "cache" in text]


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        ({"usage": "none"}, "the endpoint reports no prompt tokens"),
        ({"error_rate": 1.0}, "500: "),
        ({"api_key": "sesame"}, "401: "),
    ],
)
def test_where_it_learns_nothing_prompts_stay_as_they_are_and_the_report_says_why(behaviour, problem):
    with running_mock_server(Behaviour(**FAST, **behaviour)) as url:
        result = measure(
            Endpoint(url, "m"), Workload(input_tokens=20, output_tokens=1), Load(requests=4, rate=100.0)
        )

    (level,) = result.to_dict()["levels"]
    assert (level["prompt"]["words"], level["prompt"]["probed"]) == (20, False)
    assert level["prompt"]["problem"].startswith(problem)
    assert level["warnings"][0].startswith(
        f"Prompts have 20 words, not the tokens of the endpoint's count: {problem}"
    )


def test_an_endpoint_that_is_down_is_asked_once():
    with scripted(whole(b"no", "503 Service Unavailable"), keep=True) as server:
        assert probe_prompts(Endpoint(server.url, "m"), Workload()).problem == "503: 'no'"

    assert len(server.requests) == 1


def test_prompts_of_others_are_not_probed(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a"}\n')
    with scripted(whole(STREAM), keep=True) as server:
        endpoint = Endpoint(server.url, "m")
        assert probe_prompts(endpoint, Workload(dataset=str(rows))) == WORD_BY_WORD
        assert probe_prompts(endpoint, Workload(extra_body={"messages": []})) == WORD_BY_WORD
        assert (
            probe_prompts(Endpoint(server.url, "m", extra_body={"messages": []}), Workload()) == WORD_BY_WORD
        )

    assert server.requests == []


def test_the_requests_are_small_and_ask_as_the_measurement_does():
    with scripted(whole(STREAM), keep=True) as server:
        endpoint = Endpoint(
            server.url, "m", max_tokens_field="max_completion_tokens", extra_body={"store": False}
        )
        probe_prompts(endpoint, Workload(output_tokens=500))

    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert [len(body["messages"][0]["content"].split()) for body in bodies] == [1, 1 + len(WORDS)]
    assert [(body["max_completion_tokens"], body["store"]) for body in bodies] == 2 * [(16, False)]


def test_a_stop_ends_the_probe():
    stop = threading.Event()
    with scripted(stop.set, 30.0) as server:
        begun = time.monotonic()
        assert probe_prompts(Endpoint(server.url, "m"), Workload(), stop) == Counting(problem="stopped")

    assert time.monotonic() - begun < 5


def test_a_failure_names_no_secret():
    with scripted(whole(b"no key sesame", "401 Unauthorized")) as server:
        endpoint = Endpoint(server.url, "m", api_key="sesame")

        assert probe_prompts(endpoint, Workload()).problem == "401: 'no key (hidden)'"


@pytest.mark.parametrize(
    ("short", "long", "overhead", "ratio"),
    [
        (1, 443, 0, 1.0),
        (10, 452, 9, 1.0),
        (13, 588, 12, 575 / 442),
        (4, 2000, 0, 1996 / 442),
    ],
)
def test_two_counts_are_enough(short, long, overhead, ratio):
    assert counting_of(short, long) == Counting(overhead, ratio, probed=True)


def test_counts_that_do_not_grow_are_a_problem():
    assert counting_of(10, 10).problem == "10 tokens counted in a word, 10 in 443"
