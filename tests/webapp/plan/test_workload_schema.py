"""The fields of a workload: which values are refused."""

import pytest

from tests.webapp.plan.files import GOOD

FAULTS = [
    (GOOD.replace("name: chat", "name: chat@c2"), "7: workloads[0].name='chat@c2': must be"),
    (GOOD.replace("requests: 10", "requests: 0"), "9: workloads[0].requests=0: must be a whole"),
    (GOOD.replace("requests: 10", "warmup: 1"), "7: workloads[0].requests: expected either"),
    (GOOD.replace("concurrency: 2", "concurrency: [2, 2]"), "8: workloads[0].concurrency: duplicate"),
    (GOOD + "        regions: []\n", "10: workloads[0].regions: empty; expected at least one"),
    (GOOD + "        regions: [eu, EU]\n", "10: workloads[0].regions[1]='EU': must be 1 to 31 of the"),
    (GOOD + "        regions: [eu, eu]\n", "10: workloads[0].regions: duplicate region"),
    (GOOD + "        rate: 1\n", "10: workloads[0].rate=1: expected either concurrency or rate"),
    (GOOD + "        arrival: poisson\n", "10: workloads[0].arrival='poisson': applies only to a rate"),
    (GOOD + "        shards: 0\n", "10: workloads[0].shards=0: must be a whole number from 1 to 64"),
    (GOOD + "        shards: 3\n",
     "10: workloads[0].shards=3: expected at most 2, the number of streams of a level"),
    (GOOD.replace("concurrency: 2", "rate: 9") + "        shards: 11\n",
     "10: workloads[0].shards=11: expected at most 10, the number of requests"),
    (GOOD + "        dataset: none.jsonl\n", "10: workloads[0].dataset='none.jsonl': file not found"),
    (GOOD + "        slo: {ttf: 1}\n",
     "10: workloads[0].slo.ttf=1: unknown objective; expected one of ttft"),
    (GOOD + "        slo: {ttft:p95: 1}\n", "10: workloads[0].slo.ttft:p95=1: needs find"),
    (GOOD.replace("concurrency: 2", "rate: [2, 2.0000001]"), "8: workloads[0].rate: duplicate"),
    (GOOD + "        input_tokens: 1\n", "10: workloads[0].input_tokens=1: must be at least"),
    (GOOD + "        input_tokens: gamma:1,2\n",
     "10: workloads[0].input_tokens='gamma:1,2': must be one of N, A..B, normal:MEAN,STDDEV"),
    (GOOD + "        input_tokens: 1..90000000\n",
     "10: workloads[0].input_tokens='1..90000000': must have a mean from 1 to 1e+07"),
    (GOOD + "        input_tokens: '128'\n", "10: workloads[0].input_tokens='128': must be a whole number"),
    (GOOD + "        input_tokens: 1.5\n", "10: workloads[0].input_tokens=1.5: must be a whole number"),
    (GOOD + "        timeout: soon\n", "10: workloads[0].timeout='soon': must be a number"),
    (GOOD + "        unique_prompts: 7\n", "10: workloads[0].unique_prompts=7: must be true or false"),
    (GOOD + "        regions: eu\n", "10: workloads[0].regions='eu': must be a list"),
    (GOOD + "        slo: 5\n", "10: workloads[0].slo=5: must be a mapping"),
    (GOOD + "        dataset: ''\n", "10: workloads[0].dataset='': empty; expected the path of a file"),
    (GOOD + "        description: ''\n", "10: workloads[0].description='': must be 1 to 500 characters"),
    (GOOD + "        arrival: burst\n", "10: workloads[0].arrival='burst': must be one of poisson, constant"),
    (GOOD + "        warmup:\n", "10: workloads[0].warmup: empty; expected a value"),
    (GOOD + "        output_tokens: file:none.txt\n",
     "10: workloads[0].output_tokens='file:none.txt': file not found"),
    (GOOD + "        shared_prefix: 1.5\n",
     "10: workloads[0].shared_prefix=1.5: must be a number from 0 to 1"),
    (GOOD + "        prefixes: 4\n", "10: workloads[0].prefixes=4: needs shared_prefix"),
    (GOOD + "        extra_body: {since: 2026-01-01}\n",
     "10: workloads[0].extra_body: must be valid in JSON"),
    (GOOD + "        extra_body: {top_p: .nan}\n", "10: workloads[0].extra_body: must be valid in JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_fault_of_a_workload_names_line_field_value_and_what_is_expected(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)


def test_speed_and_window_need_a_trace(faults):
    assert faults(GOOD + "        speed: 2\n        window: [1, 2]\n") == [
        "benchmark.yml:10: workloads[0].speed=2: needs trace",
        "benchmark.yml:11: workloads[0].window: needs trace",
    ]
