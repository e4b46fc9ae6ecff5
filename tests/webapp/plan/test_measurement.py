import hashlib
import math
import re
from dataclasses import replace

import pytest

from bench.traces import FOLDER
from llm_measure.endpoints import Endpoint
from llm_measure.load.arrivals import starts
from llm_measure.load.traces import trace_of
from llm_measure.workloads import Load, Workload
from tests.measured import measurement
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import definition, description, scenario_name, task

CLOSED = Load(concurrency=8, requests=4)


@pytest.mark.parametrize(
    ("load", "api", "name"),
    [
        (CLOSED, "chat", "chat@c8"),
        (CLOSED, "completions", "chat@c8-completions"),
        (Load(rate=2.5, requests=4), "chat", "chat@r2.5"),
        (Load(rate=2, arrival="constant", requests=4), "completions", "chat@r2-constant-completions"),
        (Load(speed=0.5), "chat", "chat@x0.5"),
        (Load(speed=2), "completions", "chat@x2-completions"),
    ],
)
def test_a_scenario_is_named_after_its_workload_level_and_api(load, api, name):
    assert scenario_name("chat", load, api) == name


def test_a_scenario_is_described_in_words():
    assert description(Workload(), CLOSED) == "128 input tokens, 128 output tokens, concurrency 8"
    assert (
        description(Workload(dataset="/data/questions.jsonl"), Load(rate=2, requests=4))
        == "prompts of questions.jsonl, 128 output tokens, poisson 2/s"
    )


def test_a_trace_is_described_by_its_file_window_and_speed():
    trace = Workload(trace="/data/conversations.jsonl")

    assert description(trace, Load(speed=2)) == "requests of conversations.jsonl, trace at 2x"
    assert (
        description(replace(trace, trace_window=(60, 360)), Load(speed=1))
        == "requests of conversations.jsonl from 60 s to 360 s, trace at 1x"
    )


def test_a_trace_is_identified_by_its_bytes_window_and_speed_and_not_by_its_path_and_cap(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_bytes((FOLDER / "azure.csv").read_bytes())
    moved = [
        definition(Workload(trace=str(each), trace_window=(1, 2.5)), load, "chat")
        for each, load in ((path, Load(speed=2)), (FOLDER / "azure.csv", Load(speed=2, requests=9)))
    ]

    assert moved[0] == moved[1]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = {"trace": digest, "trace_window": [1, 2.5], "speed": 2}
    assert moved[0].items() >= expected.items()
    assert not moved[0].keys() & {"input_tokens", "output_tokens", "rate", "arrival", "concurrency"}


@pytest.mark.parametrize(("more", "last"), [("", 49), (", requests: 10", 9), (", requests: 100", 49)])
def test_the_longest_duration_of_a_trace_has_room_for_its_last_request(write, more, last):
    trace = FOLDER / "azure.csv"
    text = (
        "llms:\n- {name: a, base_url: http://h/v1, model: a}\n"
        f"workloads:\n- {{name: w, trace: {trace}, speed: 0.5, timeout: 30{more}}}"
    )

    (found,) = read_benchmark_file(write(text))

    seconds = trace_of(found.workload).moments_ns[last] / 0.5e9
    assert found.longest_s == math.ceil(seconds + 30) + found.overhead_s


def test_a_definition_has_all_that_is_asked_and_the_level():
    workload = Workload(slo={"ttft": 0.5}, extra_body={"top_k": 1}, seed=7)

    assert definition(workload, CLOSED, "chat") == {
        "api": "chat",
        "input_tokens": 128,
        "output_tokens": 128,
        "dataset": None,
        "unique_prompts": True,
        "timeout_s": 60.0,
        "slo": {"ttft": 0.5},
        "extra_body": {"top_k": 1},
        "concurrency": 8,
    }
    assert (
        definition(workload, Load(rate=2, duration_s=9), "chat").items()
        >= {"rate": 2, "arrival": "poisson"}.items()
    )


def test_the_same_workload_through_another_api_is_another_scenario():
    chat = measurement()
    completions = replace(chat, endpoint=Endpoint("http://127.0.0.1:9/v1", "m", "completions"))

    assert (chat.scenario, completions.scenario) == ("chat@c8", "chat@c8-completions")
    assert chat.definition != completions.definition
    assert chat.slug != completions.slug


def test_the_same_workload_from_another_region_is_another_scenario():
    anywhere, eu, us = (measurement(region=region) for region in (None, "eu", "us"))

    assert [one.scenario for one in (anywhere, eu, us)] == ["chat@c8", "chat@c8@eu", "chat@c8@us"]
    assert anywhere.definition == definition(anywhere.workload, anywhere.load, "chat")
    assert eu.definition == anywhere.definition | {"region": "eu"}
    assert len({one.slug for one in (anywhere, eu, us)}) == 3


def test_a_job_measures_a_task_or_a_scenario_of_its_region_alone():
    planned = [measurement(region=region) for region in (None, "eu")]

    found = [task(planned, "Measured", name) for name in ("chat", "chat@c8", "chat@@eu", "chat@c8@eu")]

    assert [each and each.levels for each in found] == [(planned[0],)] * 2 + [(planned[1],)] * 2
    assert task(planned, "Measured", "chat@@us") is None


def test_a_workload_with_inputs_is_described_and_defined_by_them():
    workload = Workload(inputs=8, input_tokens=64)

    assert description(workload, CLOSED) == "8 inputs of 64 tokens, concurrency 8"
    assert (
        description(Workload(inputs=8, dataset="/data/texts.jsonl"), CLOSED)
        == "8 inputs of texts.jsonl, concurrency 8"
    )
    found = definition(workload, CLOSED, "embeddings")
    assert (found["inputs"], found["api"], "output_tokens" in found) == (8, "embeddings", False)


def test_a_dataset_is_part_of_the_definition_by_its_content(tmp_path):
    file = tmp_path / "prompts.jsonl"
    workload = Workload(dataset=str(file))
    file.write_text('{"prompt": "one"}\n')
    first = definition(workload, CLOSED, "chat")
    file.write_text('{"prompt": "two"}\n')

    assert definition(workload, CLOSED, "chat") != first
    assert definition(workload, CLOSED, "chat", digests={"dataset": first["dataset"]}) == first
    assert "input_tokens" not in first


def test_each_slug_is_unique_and_fits_a_job_id():
    names = ["Fast", "fast", "日本", "-_-", "x" * 100]
    loads = [Load(concurrency=concurrency, requests=1) for concurrency in (1, 2)]

    slugs = [measurement(name, load=load).slug for name in names for load in loads]

    assert len(set(slugs)) == len(slugs)
    assert all(len(slug) < 80 and re.fullmatch("[a-z0-9-]+", slug) for slug in slugs)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://Host/v1", "host:443"),
        ("https://host:443/other/v1", "host:443"),
        ("http://host/v1", "host:80"),
        ("https://host:444/v1", "host:444"),
        ("http+unix://%2Frun%2FvLLM.sock/v1", "unix:/run/vLLM.sock"),
    ],
)
def test_the_server_is_the_urls_host_and_port(url, server):
    assert measurement(endpoint=Endpoint(url, "m")).server == server


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        ("concurrency: 4, requests: 10, timeout: 30", 3 * 30 + 30),
        ("concurrency: 4, duration: 20, timeout: 30, warmup: 5", 20 + 30 + 2 * 30),
        ("concurrency: 4, requests: 10, timeout: 30, turns: 2..5, think_time: 3", 3 * 5 * 33 + 5 * 33),
        ("rate: 1, requests: 16, timeout: 30", 16 + 5 * 4 + 5 + 30),
        ("rate: 0.1, duration: 60, timeout: 5, warmup: 25", (25 + 5 * 5 + 5) / 0.1 + 60 + 5),
    ],
)
def test_the_longest_duration_has_room_for_the_slowest_requests(write, load, seconds):
    text = f"llms:\n- {{name: a, base_url: http://h/v1, model: a}}\nworkloads:\n- {{name: w, {load}}}"

    (found,) = read_benchmark_file(write(text))

    assert found.longest_s == seconds + found.overhead_s
    if found.load.rate:
        for seed in range(100):
            assert starts(found.load, seed)[-1] / 1e9 + found.workload.timeout_s < found.longest_s
