"""Reading the benchmark file: what it plans, and how its faults are reported."""

import os
import subprocess
import sys

import pytest

from tests.support import KEY
from tests.web import GUNICORN
from tests.webapp.plan.conftest import LEAST
from tests.webapp.plan.files import GOOD
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import tasks
from webapp.settings import ROOT, Settings, SettingsError

FAULTS = [
    ("llms: [", "1: "),
    ("a: 1\na: 2", "2: a: duplicate key"),
    ("? [a, b]\n: 1", "1: invalid key; expected a string"),
    ("llms: &all\n  - *all\nworkloads: []", "1: recursive alias"),
    ("\0", "1: "),
]  # fmt: skip


def test_without_a_file_nothing_is_measured():
    assert read_benchmark_file(Settings.from_env(LEAST)) == ()


def test_the_example_is_valid():
    settings = Settings.from_env({**LEAST, "BENCHMARK_FILE": "benchmark.example.yml"})

    found = read_benchmark_file(settings)

    assert [(one.llm, one.scenario, one.interval) for one in found] == [
        ("Llama 3.1 8B on vLLM", "chat@c1", 3600),
        ("Llama 3.1 8B on vLLM", "chat@c8", 3600),
        ("GPT-4o mini", "chat@c1", 3600),
        ("GPT-4o mini", "chat@c8", 3600),
        ("GPT-4o mini", "steady@r0.5", 14400),
        ("GPT-4o mini", "steady@r2", 14400),
        ("GPT-4o mini", "talk@c4", 600),
        ("GPT-4o mini", "limit@max", 86400),
        ("GPT-4o mini", "calls@c4", 600),
        ("BGE M3 on TEI", "texts@c16-embeddings", 600),
    ]
    assert found[2].api_key_env == "OPENAI_API_KEY"
    assert found[0].workload.slo == {"ttft": 0.5, "tpot": 0.05}
    assert (found[1].load.concurrency, found[1].load.requests, found[1].load.warmup) == (8, 40, 4)
    assert (found[4].load.rate, found[4].load.arrival, found[4].load.duration_s) == (0.5, "poisson", 60)


def test_omitted_fields_have_their_documented_defaults(write):
    (found,) = read_benchmark_file(write(GOOD, SCHEDULE_INTERVAL="7"))

    assert (found.interval, found.company_name, found.provider) == (420, "Fast", "Fast")
    assert (found.endpoint.api, found.api_key_env) == ("chat", None)
    assert (found.workload.timeout_s, found.load.warmup) == (60, 0)


def test_faults_of_fields_and_of_files_are_reported_together(faults, tmp_path):
    (tmp_path / "list.json").write_text("[]")
    text = """
        llms:
          - {name: A, base_url: http://h/v1, model: m}
        workloads:
          - {name: few, concurrency: 0, requests: 1, dataset: no.jsonl, output_tokens: "file:no.txt"}
          - {name: replay, trace: no.csv}
          - {name: calls, concurrency: 1, requests: 1, expects: json, answer_schema: list.json}
          - 7
    """

    found = [fault.partition("benchmark.yml:")[2] for fault in faults(text)]

    assert [fault[: fault.index(": ", 3)] for fault in found] == [
        "5: workloads[0].concurrency[0]",
        "5: workloads[0].dataset='no.jsonl'",
        "5: workloads[0].output_tokens='file:no.txt'",
        "6: workloads[1].trace='no.csv'",
        "7: workloads[2].answer_schema='list.json'",
        "8: workloads[3]=7",
    ]


def test_faults_of_the_files_of_llms_and_of_workloads_are_reported_together(faults):
    text = GOOD.replace("model: fast", "model: fast\n        ca_file: no.crt").replace("http:", "https:")

    found = faults(f"{text}        dataset: no.jsonl\n")

    assert len(found) == 2
    assert "llms[0].ca_file='no.crt': " in found[0]
    assert "workloads[0].dataset='no.jsonl': file not found" in found[1]


def test_shards_are_no_part_of_what_identifies_a_scenario(write):
    (alone,) = read_benchmark_file(write(GOOD))
    (shared,) = read_benchmark_file(write(GOOD + "        shards: 2\n"))

    assert (alone.shards, shared.shards) == (1, 2)
    assert (alone.scenario, alone.definition) == (shared.scenario, shared.definition)


def test_one_workload_through_several_apis_is_as_many_scenarios(write):
    found = read_benchmark_file(
        write(
            """
            llms:
              - {name: Chatty, base_url: http://h/v1, model: m}
              - {name: Completing, base_url: http://h/v1, model: m, api: completions}
              - {name: Claude, base_url: http://h/v1, model: m, api: messages}
            workloads:
              - {name: chat, concurrency: 8, requests: 1}
            """
        )
    )

    assert [one.scenario for one in found] == ["chat@c8", "chat@c8-completions", "chat@c8-messages"]


def test_a_workload_with_regions_is_measured_from_each_of_them_at_all_levels(write):
    found = read_benchmark_file(
        write(GOOD.replace("concurrency: 2", "concurrency: [1, 2]") + "        regions: [eu, us]\n")
    )

    assert [one.scenario for one in found] == ["chat@c1@eu", "chat@c2@eu", "chat@c1@us", "chat@c2@us"]
    assert [(task.name, task.region, len(task.levels)) for task in tasks(found)] == [
        ("chat@@eu", "eu", 2),
        ("chat@@us", "us", 2),
    ]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_what_is_no_yaml_mapping_is_refused_with_its_line(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)


def test_all_faults_are_reported_together_in_the_files_order(faults):
    found = faults(
        """
        llms:
          - {name: same, base_url: "ftp://x", model: m}
          - {name: same, base_url: "http://x/v1", model: m, workloads: [lost]}
        workloads:
          - name: w
            output_tokens: many
            concurrency: 0
        """
    )

    assert [fault.split(": ")[0] for fault in found] == [
        "benchmark.yml:3",
        "benchmark.yml:4",
        "benchmark.yml:4",
        "benchmark.yml:6",
        "benchmark.yml:7",
        "benchmark.yml:8",
    ]


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-m", "jobs.worker"], [sys.executable, "-m", "jobs.scheduler"], [GUNICORN]],
    ids=["worker", "scheduler", "API"],
)
def test_a_process_reports_each_fault_in_one_line_and_ends_with_code_2(command, tmp_path):
    path = tmp_path / "benchmark.yml"
    path.write_text("llms: 1\nworkloads: 2\n")

    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **LEAST, "API_KEY": KEY, "BENCHMARK_FILE": str(path)},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        f"benchmark file {path}:1",
        f"benchmark file {path}:2",
    ]


def test_a_missing_file_is_a_fault_of_the_setting():
    with pytest.raises(SettingsError, match="BENCHMARK_FILE='none': must be the path of a file"):
        Settings.from_env({**LEAST, "BENCHMARK_FILE": "none"})
