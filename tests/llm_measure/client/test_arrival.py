"""What arrives at a server from one process and from several: lengths and common beginnings as asked for."""

import json
from collections import Counter, defaultdict

import pytest

from llm_measure import Endpoint, Load, Workload, measure
from llm_measure.load.lengths import Lengths
from llm_measure.measuring import Result
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS

STREAM = STREAMS["role first, usage last"].body


def arriving(workload: Workload, processes: int, requests: int = 60) -> tuple[dict, list[dict]]:
    """The level's report, and the bodies that a server received."""
    with scripted(whole(STREAM), keep=True) as server:
        result = measure(
            Endpoint(server.url, "m"),
            workload,
            Load(concurrency=4, requests=requests),
            processes=processes,
            probe=False,
        )
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    return result.to_dict()["levels"][0], bodies


def test_several_processes_send_the_lengths_of_one():
    workload = Workload(input_tokens="8..64", output_tokens="lognormal:40,20", seed=3)
    expected = Lengths.of(workload, 3)

    for processes in (1, 3):
        level, bodies = arriving(workload, processes)
        sent = Counter(
            (len(each["messages"][0]["content"].split(" ")), each["max_tokens"]) for each in bodies
        )

        assert sent == Counter((expected.input_tokens(n), expected.output_tokens(n)) for n in range(60))
        assert level["prompt_tokens"]["asked"] == sum(length * n for (length, _), n in sent.items())
        assert level["output_tokens"]["asked"] == sum(maximum * n for (_, maximum), n in sent.items())


@pytest.mark.parametrize(("length", "processes"), [(40, 1), ("20..60", 2)])
def test_prompts_share_as_much_as_was_asked_for_and_nothing_else(length, processes):
    workload = Workload(input_tokens=length, output_tokens=1, shared_prefix=0.5, prefixes=4, seed=3)

    _, bodies = arriving(workload, processes, requests=80)

    groups, rests = defaultdict(list), set()
    for body in bodies:
        words = body["messages"][0]["content"].split(" ")
        common = round(len(words) / 2)
        groups[tuple(words[:4])].append(words[:common])
        rests.add(tuple(words[common : common + 4]))
    assert len(groups) == 4
    assert len(rests) == len(bodies) == 80
    for beginnings in groups.values():
        longest = max(beginnings, key=len)
        assert all(longest[: len(each)] == each for each in beginnings)


def test_other_seeds_have_other_beginnings():
    def beginning(seed: int) -> str:
        workload = Workload(input_tokens=40, output_tokens=1, shared_prefix=1.0, seed=seed)
        (prompt,) = {body["messages"][0]["content"] for body in arriving(workload, 1, requests=3)[1]}
        return prompt

    assert beginning(3) == beginning(3)
    assert beginning(3).split(" ")[:4] != beginning(4).split(" ")[:4]


def test_what_the_server_had_in_a_cache_is_a_metric_where_it_is_reported():
    workload, load = Workload(input_tokens=64, output_tokens=1, shared_prefix=0.5), Load(1, requests=5)
    with running_mock_server(Behaviour(ttft=0, itl=0, cached_tokens=32)) as url:
        result = measure(Endpoint(url, "m"), workload, load)
    unreported = measure_with_no_details(workload, load)

    assert (result.metrics["cached_tokens"].n, result.metrics["cached_tokens"].mean) == (5, 32)
    assert not any("in a cache" in line for line in result.to_dict()["levels"][0]["warnings"])
    assert unreported.metrics["cached_tokens"].n == 0


def measure_with_no_details(workload: Workload, load: Load) -> Result:
    with scripted(whole(STREAM), keep=True) as server:
        return measure(Endpoint(server.url, "m"), workload, load, probe=False)
