"""The benchmark file: what it declares, and how it says what is wrong with it."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest

from llm_measure.load.arrivals import starts
from tests.support import SECRET
from tests.web import GUNICORN
from webapp.plan.benchmark_file import BenchmarkFileError, read_benchmark_file
from webapp.settings import ROOT, Settings, SettingsError

LEAST = {"API_KEY": "key", "POSTGRES_HOST": "db", "REDIS_HOST": "cache"}
GOOD = """
    llms:
      - name: Fast
        base_url: http://127.0.0.1:9/v1
        model: fast
    workloads:
      - name: chat
        concurrency: 2
        requests: 10
"""


@pytest.fixture
def write(tmp_path):
    """Writes a benchmark file; returns the settings that name it."""

    def write(text: str, **more: str) -> Settings:
        path = tmp_path / "benchmark.yml"
        path.write_text(dedent(text))
        return Settings.from_env({**LEAST, "BENCHMARK_FILE": str(path), **more})

    return write


@pytest.fixture
def faults(write, tmp_path):
    """The faults of a benchmark file, each without the file's folder."""

    def faults(text: str) -> list[str]:
        with pytest.raises(BenchmarkFileError) as caught:
            read_benchmark_file(write(text))
        return [fault.removeprefix(f"{tmp_path}/") for fault in caught.value.faults]

    return faults


def test_without_a_file_nothing_is_measured():
    assert read_benchmark_file(Settings.from_env(LEAST)) == ()


def test_the_example_is_valid_and_shows_every_field():
    settings = Settings.from_env({**LEAST, "BENCHMARK_FILE": "benchmark.example.yml"})

    found = read_benchmark_file(settings)

    assert [(one.llm, one.workload, one.interval) for one in found] == [
        ("Llama 3.1 8B on vLLM", "chat@c1", 3600),
        ("Llama 3.1 8B on vLLM", "chat@c8", 3600),
        ("GPT-4o mini", "chat@c1", 3600),
        ("GPT-4o mini", "chat@c8", 3600),
        ("GPT-4o mini", "steady@r0.5", 14400),
        ("GPT-4o mini", "steady@r2", 14400),
    ]
    assert found[2].api_key_env == "OPENAI_API_KEY"
    assert found[0].workload.slo == {"ttft": 0.5, "tpot": 0.05}
    assert (found[1].load.concurrency, found[1].load.requests, found[1].load.warmup) == (8, 40, 4)
    assert (found[4].load.rate, found[4].load.arrival, found[4].load.duration_s) == (0.5, "poisson", 60)


def test_what_is_left_out_has_the_documented_default(write):
    (found,) = read_benchmark_file(write(GOOD, SCHEDULE_INTERVAL="7"))

    assert (found.interval, found.company_name, found.provider) == (420, "Fast", "Fast")
    assert (found.endpoint.api, found.api_key_env) == ("chat", None)
    assert (found.workload.timeout_s, found.load.warmup) == (60, 0)


def test_each_measurement_has_a_slug_of_its_own_that_a_jobs_id_may_hold(write):
    names = ["Fast", "fast", "日本", "-_-", "x" * 100]
    llms = "".join(f"\n  - {{name: {name}, base_url: http://h/v1, model: m}}" for name in names)

    found = read_benchmark_file(
        write(f"llms:{llms}\nworkloads:\n  - {{name: a, concurrency: [1, 2], requests: 1}}\n")
    )

    slugs = [one.slug for one in found]
    assert len(set(slugs)) == len(slugs) == 10
    assert all(len(slug) < 80 and set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for slug in slugs)


def test_measurements_of_one_server_are_known_as_such_whatever_their_paths(write):
    found = read_benchmark_file(
        write(
            """
            llms:
              - {name: a, base_url: "https://Host/v1", model: a}
              - {name: b, base_url: "https://host:443/other/v1", model: b}
              - {name: c, base_url: "https://host:444/v1", model: c}
            workloads:
              - {name: w, concurrency: 1, requests: 1}
            """
        )
    )

    assert [one.server for one in found] == ["host:443", "host:443", "host:444"]


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        ("concurrency: 4, requests: 10, timeout: 30", 3 * 30 + 30),
        ("concurrency: 4, duration: 20, timeout: 30, warmup: 5", 20 + 30 + 2 * 30),
        ("rate: 1, requests: 16, timeout: 30", 16 + 5 * 4 + 5 + 30),
        ("rate: 0.1, duration: 60, timeout: 5, warmup: 25", (25 + 5 * 5 + 5) / 0.1 + 60 + 5),
    ],
)
def test_a_levels_time_fits_the_slowest_requests_that_the_workload_allows(write, load, seconds):
    text = f"llms:\n- {{name: a, base_url: http://h/v1, model: a}}\nworkloads:\n- {{name: w, {load}}}"

    (found,) = read_benchmark_file(write(text))

    assert found.longest_s == seconds + 60
    if found.load.rate:
        for seed in range(100):
            assert starts(found.load, seed)[-1] / 1e9 + found.workload.timeout_s < found.longest_s


def test_a_datasets_content_is_part_of_what_is_asked(write, tmp_path):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n')
    text = GOOD + "        dataset: prompts.jsonl\n"
    (first,) = read_benchmark_file(write(text))
    before = first.definition

    (tmp_path / "prompts.jsonl").write_text('{"prompt": "two"}\n')

    assert first.definition != before


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("llms: [", "1: "),
        ("a: 1\na: 2", "2: a stands here a second time"),
        ("- 1", "1: invalid input type."),
        ("", "1: llms: missing data"),
        ("\0", "1: "),
        (GOOD.replace("http:", "ftp:"), "4: llms[0].base_url='ftp://127.0.0.1:9/v1': must be"),
        (GOOD.replace("model: fast", "modle: fast"), "5: llms[0].modle: there is no such field; "),
        (GOOD.replace("model: fast", "modle: fast"), "3: llms[0].model: missing"),
        (GOOD.replace("name: chat", "name: chat@c2"), "7: workloads[0].name='chat@c2': must be"),
        (GOOD.replace("requests: 10", "requests: 0"), "9: workloads[0].requests=0: must be a whole"),
        (GOOD.replace("requests: 10", "warmup: 1"), "7: workloads[0].requests: needs either"),
        (GOOD + "        rate: 1\n", "10: workloads[0].rate=1: needs either concurrency or rate"),
        (GOOD + "        arrival: poisson\n", "10: workloads[0].arrival='poisson': only a rate"),
        (GOOD + "        dataset: none.jsonl\n", "10: workloads[0].dataset='none.jsonl': there is no"),
        (GOOD + "        slo: {ttf: 1}\n", "10: workloads[0].slo.ttf=1: must be one of: ttft"),
        (GOOD + "        input_tokens: 1\n", "10: workloads[0].input_tokens=1: must be at least"),
        (GOOD.replace("model: fast", "model: fast\n        workloads: [chat, talk]"),
         "6: llms[0].workloads[1]='talk': there is no such workload"),
        (GOOD.replace("concurrency: 2", "concurrency: [2, 2]"), "8: workloads[0].concurrency: must not"),
    ],
)  # fmt: skip
def test_a_fault_names_line_field_value_and_what_would_be_right(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)


def test_all_faults_are_reported_at_once_in_the_files_order(faults):
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


@pytest.mark.parametrize("line", ["api_key: sk-s3cret", "api_key_env: sk-s3cret"])
def test_a_key_in_the_file_is_refused_and_not_shown(faults, line):
    (fault,) = faults(GOOD.replace("model: fast", f"model: fast\n        {line}"))

    assert fault.startswith("benchmark.yml:6: llms[0].api_key")
    assert "s3cret" not in fault


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-m", "jobs.worker"], [sys.executable, "-m", "jobs.scheduler"], [GUNICORN]],
    ids=["worker", "scheduler", "API"],
)
def test_a_process_with_a_broken_file_says_so_in_a_line_a_fault_and_ends_with_2(command, tmp_path):
    path = tmp_path / "benchmark.yml"
    path.write_text("llms: 1\nworkloads: 2\n")

    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **LEAST, "SECRET_KEY": SECRET, "BENCHMARK_FILE": str(path)},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        f"benchmark file {path}:1",
        f"benchmark file {path}:2",
    ]


def test_a_file_that_is_not_there_is_a_fault_of_the_setting():
    with pytest.raises(SettingsError, match="BENCHMARK_FILE='none': must be the path of a file"):
        Settings.from_env({**LEAST, "BENCHMARK_FILE": "none"})
