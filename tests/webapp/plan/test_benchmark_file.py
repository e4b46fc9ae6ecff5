"""The benchmark file: what it declares, and how its faults are reported."""

import json
import os
import subprocess
import sys

import pytest
import trustme

from bench.traces import FOLDER
from llm_measure.capacity import Search
from llm_measure.load import traces
from llm_measure.load.trace_formats import requests_of
from llm_measure.workloads import Load
from tests.support import KEY
from tests.web import GUNICORN
from tests.webapp.plan.conftest import LEAST
from webapp.plan.benchmark_file import BenchmarkFileError, read_benchmark_file
from webapp.plan.measurement import description, tasks
from webapp.settings import ROOT, Settings, SettingsError

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

SEARCH = """
    llms:
      - name: Fast
        base_url: http://127.0.0.1:9/v1
        model: fast
    workloads:
      - name: chat
        find: rate
        slo: {"ttft:p95": 0.5, error_rate: 0.01}
        interval: 60
"""


def with_options(lines: str, scheme: str = "http:") -> str:
    """A benchmark file whose LLM has these options."""
    host = scheme if "//" in scheme else f"{scheme}//127.0.0.1:9"
    options = "\n        ".join(lines.strip("{}").split(", ") if lines.startswith("{") else [lines])
    return GOOD.replace("http://127.0.0.1:9", host).replace("model: fast", f"model: fast\n        {options}")


@pytest.fixture
def faults(write, tmp_path):
    """Returns the faults of a benchmark file, each without the file's folder."""

    def faults(text: str) -> list[str]:
        with pytest.raises(BenchmarkFileError) as caught:
            read_benchmark_file(write(text))
        return [fault.removeprefix(f"{tmp_path}/") for fault in caught.value.faults]

    return faults


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


def test_shards_are_no_part_of_what_identifies_a_scenario(write):
    (alone,) = read_benchmark_file(write(GOOD))
    (shared,) = read_benchmark_file(write(GOOD + "        shards: 2\n"))

    assert (alone.shards, shared.shards) == (1, 2)
    assert (alone.scenario, alone.definition) == (shared.scenario, shared.definition)


def test_options_of_the_endpoint_keep_the_names_of_variables(write):
    options = """
        api_key_env: KEY
        key_header: api-key
        key_scheme: ""
        max_tokens_field: none
        stream_usage: false
        extra_body: {reasoning_effort: low}
        headers: {x-tenant-key: "${TENANT}"}"""
    (found,) = read_benchmark_file(write(GOOD.replace("model: fast", f"model: fast{options}")))

    assert found.endpoint.headers == {"x-tenant-key": "${TENANT}"}
    assert (found.endpoint.key_header, found.endpoint.key_scheme) == ("api-key", "")
    assert (found.endpoint.max_tokens_field, found.endpoint.stream_usage) == ("none", False)
    assert found.endpoint.extra_body == {"reasoning_effort": "low"}
    assert found.definition["extra_body"] == {}  # two LLMs that differ in it share the scenario


def test_a_ca_file_and_a_command_are_found_next_to_the_file(write, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    (found,) = read_benchmark_file(
        write(with_options("{ca_file: ca.pem, proxy: none, token_command: ./token 'a b'}", "https:"))
    )

    assert found.endpoint.transport == {"ca_file": str(tmp_path / "ca.pem"), "proxy": "none"}
    assert found.endpoint.token_command == (str(tmp_path / "token"), "a b")


def test_a_command_may_be_a_list_and_is_looked_for_in_the_path(write):
    (found,) = read_benchmark_file(write(with_options("token_command: [gcloud, print, a b]")))

    assert found.endpoint.token_command == ("gcloud", "print", "a b")


def test_insecure_runs_are_ranked_only_if_the_file_says_so(write):
    (unranked,) = read_benchmark_file(write(with_options("insecure: true", "https:")))
    (ranked,) = read_benchmark_file(write(with_options("{insecure: true, rank_insecure: true}", "https:")))

    assert (unranked.endpoint.insecure, unranked.rank_insecure) == (True, False)
    assert (ranked.endpoint.insecure, ranked.rank_insecure) == (True, True)


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


KINDS = """
    llms:
      - {name: Vectors, base_url: http://h/v1, model: m, api: embeddings}
      - {name: Ranks, base_url: http://h/v1, model: m, api: rerank}
      - {name: Chatty, base_url: http://h/v1, model: m}
    workloads:
      - {name: chat, concurrency: 8, requests: 1}
      - {name: texts, inputs: 16, input_tokens: 64, concurrency: 8, requests: 1}
"""


def test_an_llm_takes_part_in_the_workloads_of_its_apis_kind(write):
    found = read_benchmark_file(write(KINDS))

    assert [(one.llm, one.scenario, one.workload.inputs) for one in found] == [
        ("Vectors", "texts@c8-embeddings", 16),
        ("Ranks", "texts@c8-rerank", 16),
        ("Chatty", "chat@c8", None),
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"api: rerank": "api: rerank, workloads: [texts, chat]"},
            "4: llms[1].workloads[1]='chat': unsuitable; expected a workload with inputs, as the rerank API"
            " needs",
        ),
        (
            {"name: Chatty": "name: Chatty, workloads: [texts]"},
            "5: llms[2].workloads[0]='texts': unsuitable; expected a workload without inputs, as the chat API"
            " needs",
        ),
        (
            {"inputs: 16, ": "", "- {name: Ranks, base_url: http://h/v1, model: m, api: rerank}": ""},
            "3: llms[0].api='embeddings': no workload for it; expected a workload with inputs, as the"
            " embeddings API needs",
        ),
        (
            {"inputs: 16": "inputs: 16, output_tokens: 5"},
            "8: workloads[1].output_tokens=5: does not apply to a workload with inputs",
        ),
        (
            {"inputs: 16": "inputs: 16, slo: {ttft: 1}"},
            "8: workloads[1].slo.ttft=1: unknown objective; expected one of e2e_latency",
        ),
        (
            {"inputs: 16": "inputs: 16, expects: json"},
            "8: workloads[1].expects='json': does not apply to a workload with inputs",
        ),
        ({"inputs: 16": "inputs: 0"}, "8: workloads[1].inputs=0: must be a whole number from 1 to 10000"),
        (
            {"api: rerank": "api: rerank, stream_usage: false"},
            "4: llms[1].stream_usage=False: does not apply to the rerank API",
        ),
    ],
)
def test_what_does_not_apply_to_a_kind_is_refused_by_name(faults, changes, fault):
    text = KINDS
    for old, new in changes.items():
        text = text.replace(old, new)

    assert faults(text) == [f"benchmark.yml:{fault}"]


def test_a_workload_with_regions_is_measured_from_each_of_them_at_all_levels(write):
    found = read_benchmark_file(
        write(GOOD.replace("concurrency: 2", "concurrency: [1, 2]") + "        regions: [eu, us]\n")
    )

    assert [one.scenario for one in found] == ["chat@c1@eu", "chat@c2@eu", "chat@c1@us", "chat@c2@us"]
    assert [(task.name, task.region, len(task.levels)) for task in tasks(found)] == [
        ("chat@@eu", "eu", 2),
        ("chat@@us", "us", 2),
    ]


def test_a_search_is_a_level_of_its_workload(write):
    (by_rate,) = read_benchmark_file(write(SEARCH + "        budget: 900\n        confidence: 0.9\n"))
    (by_concurrency,) = read_benchmark_file(write(SEARCH.replace("find: rate", "find: concurrency")))

    slo = {"ttft:p95": 0.5, "error_rate": 0.01}
    assert by_rate.load == Search("rate", slo, confidence=0.9, budget=900)
    assert by_concurrency.load == Search("concurrency", slo)
    assert (by_rate.scenario, by_concurrency.scenario) == ("chat@max", "chat@max-concurrency")
    assert by_rate.workload.slo == {}  # which are of requests, and a search's of levels


def test_a_dataset_is_found_next_to_the_file(write, tmp_path):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n')

    (found,) = read_benchmark_file(write(GOOD + "        dataset: prompts.jsonl\n"))

    assert found.workload.dataset == str(tmp_path / "prompts.jsonl")


REPLAYED = GOOD.partition("        concurrency")[0] + "        trace: trace.csv\n"
AZURE = (FOLDER / "azure.csv").read_text()


def test_a_trace_is_found_next_to_the_file_and_replayed_at_each_speed(write, tmp_path):
    (tmp_path / "trace.csv").write_text(AZURE)

    once = read_benchmark_file(write(REPLAYED))
    more = read_benchmark_file(
        write(REPLAYED + "        speed: [1, 2.5]\n        window: [1, 6]\n        requests: 12\n")
    )

    assert [(one.scenario, one.load) for one in once] == [("chat@x1", Load(speed=1))]
    assert [(one.scenario, one.load) for one in more] == [
        ("chat@x1", Load(speed=1, requests=12)),
        ("chat@x2.5", Load(speed=2.5, requests=12)),
    ]
    assert more[0].workload.trace == str(tmp_path / "trace.csv")
    assert (once[0].workload.trace_window, more[0].workload.trace_window) == (None, (1, 6))


def test_traces_are_read_once_however_often_the_plan_is_read(write, tmp_path, monkeypatch):
    llms = "".join(f"- {{name: {name}, base_url: http://h/v1, model: a}}\n" for name in "ab")
    workloads = "".join(
        f"- {{name: {name}, trace: {name}.csv, speed: [1, 2]}}\n" for name in ("trace", "burst")
    )
    for name in ("trace.csv", "burst.csv"):
        (tmp_path / name).write_text(AZURE)
    read = []
    monkeypatch.setattr(traces, "requests_of", lambda file: read.append(file.name) or requests_of(file))

    plans = [read_benchmark_file(write(f"llms:\n{llms}workloads:\n{workloads}")) for _ in range(2)]

    assert plans[0] == plans[1]
    assert len(plans[0]) == 8
    assert read == [str(tmp_path / name) for name in ("trace.csv", "burst.csv")]


@pytest.mark.parametrize(
    ("content", "lines", "fault"),
    [
        (None, "", "8: workloads[0].trace='trace.csv': file not found"),
        (AZURE + "\nx,1,1", "",
         "8: workloads[0].trace='trace.csv': PATH:52: TIMESTAMP='x': must be a date and time, such as"
         " 2023-11-16 18:17:03.9799600"),
        (AZURE, "window: [900, 901]",
         "8: workloads[0].trace='trace.csv': PATH: no requests from 900 s to 901 s; the last one is at 9"),
        (AZURE, "window: [2, 1]", "9: workloads[0].window: must be two moments, the second one later"),
        (AZURE, "window: [2]", "9: workloads[0].window: must be two moments"),
        (AZURE, "window: [-1, 2]", "9: workloads[0].window[0]=-1: must be a number from 0 to"),
        (AZURE, "speed: 0", "9: workloads[0].speed[0]: must be a number from 0.001"),
        *(
            (AZURE, line, f"9: workloads[0].{line.replace(': ', '=')}: does not apply to a trace")
            for line in ("rate: 2", "concurrency: 2", "duration: 2", "warmup: 0", "input_tokens: 9",
                         "output_tokens: 9", "inputs: 2", "dataset: 'a'", "unique_prompts: True")
        ),
    ],
)  # fmt: skip
def test_an_unusable_trace_and_what_does_not_apply_to_one_are_faults(faults, tmp_path, content, lines, fault):
    if content is not None:
        (tmp_path / "trace.csv").write_text(content)

    found = faults(f"{REPLAYED}        {lines}\n")
    expected = f"benchmark.yml:{fault}".replace("PATH", str(tmp_path / "trace.csv"))
    assert any(each.startswith(expected) for each in found), found


def test_speed_and_window_need_a_trace(faults):
    assert faults(GOOD + "        speed: 2\n        window: [1, 2]\n") == [
        "benchmark.yml:10: workloads[0].speed=2: needs trace",
        "benchmark.yml:11: workloads[0].window: needs trace",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("llms: [", "1: "),
        ("a: 1\na: 2", "2: a: duplicate key"),
        ("? [a, b]\n: 1", "1: invalid key; expected a string"),
        ("llms: &all\n  - *all\nworkloads: []", "1: recursive alias"),
        ("- 1", "1: invalid input type."),
        ("", "1: llms: missing data"),
        ("\0", "1: "),
        ("1: x", "1: [1]: unknown field; expected one of llms, workloads, notify"),
        ("notify: []", "1: notify: shorter than minimum length 1"),
        ("workloads: []\nnotify: [{target: A}]", "1: llms: missing data"),
        ("notify: [{target: https://a.b/s3cret}]",
         "1: notify[0].target: must be the name of an environment variable, never the URL itself"),
        ("notify: [{target: A, secret_env: s3-cret}]", "1: notify[0].secret_env: must be the name of"),
        ("notify:\n- target: A\n- target: A", "3: notify[1].target: duplicate target"),
        ("notify: [{target: A, severity: high}]", "1: notify[0].severity='high': must be one of: minor"),
        ("notify: [{target: A, quiet_hours: 22-7}]", "1: notify[0].quiet_hours='22-7': must be two times"),
        ("notify: [{target: A, quiet_hours: 22:00-22:00}]", "1: notify[0].quiet_hours='22:00-22:00': "),
        ("notify: [{target: A, time_zone: CES}]", "1: notify[0].time_zone='CES': unknown time zone"),
        ("notify: [{target: A, digest_hour: 8}]", "1: notify[0].digest_hour=8: needs digest"),
        ("notify: [{target: A, incidents: false}]", "1: notify[0].incidents=False: needs digest"),
        ("notify: [{target: A, digest: daily, digest_hour: 24}]", "1: notify[0].digest_hour=24: must be a"),
        (GOOD.replace("http:", "ftp:"), "4: llms[0].base_url='ftp://127.0.0.1:9/v1': must be"),
        (GOOD.replace("model: fast", "modle: fast"), "5: llms[0].modle: unknown field; expected one of name"),
        (GOOD.replace("model: fast", "modle: fast"), "3: llms[0].model: missing"),
        (GOOD.replace("model: fast", r'model: "\a"'), r"5: llms[0].model='\x07': must be a printable name"),
        (GOOD.replace("model: fast", "model: fast\n        api: talk"),
         "6: llms[0].api='talk': unknown provider API; expected one of chat"),
        (GOOD.replace("model: fast", "model: fast\n        workloads: [chat, talk]"),
         "6: llms[0].workloads[1]='talk': unknown workload; expected one of chat"),
        (GOOD.replace("name: chat", "name: chat@c2"), "7: workloads[0].name='chat@c2': must be"),
        (GOOD.replace("model: fast", "model: fast\n        key_header: api-key"),
         "6: llms[0].key_header: needs api_key_env or token_command"),
        (GOOD.replace("model: fast", "model: fast\n        max_tokens_field: most"),
         "6: llms[0].max_tokens_field='most': expected one of max_tokens, max_completion_tokens, none"),
        (GOOD.replace("model: fast", "model: fast\n        api: gemini\n        max_tokens_field: "
                      "max_completion_tokens"),
         "7: llms[0].max_tokens_field='max_completion_tokens': the gemini API has generationConfig.max"),
        (with_options("rank_insecure: true"), "6: llms[0].rank_insecure=True: needs insecure"),
        (with_options("insecure: true"), "6: llms[0].insecure=True: needs an https URL"),
        (with_options("ca_file: a.pem", "https:"), "6: llms[0].ca_file='a.pem': cannot be read: No such"),
        (with_options("client_key: a.pem", "https:"), "6: llms[0].client_key: needs client_cert"),
        (with_options("{ca_file: a.pem, insecure: true}", "https:"), "7: llms[0].insecure=True: verifies"),
        (with_options("proxy: socks5://p"), "6: llms[0].proxy='socks5://p': must be http://[USER:PASSWORD@]"),
        (with_options("proxy: http://p", "http+unix://%2Fa.sock"), "6: llms[0].proxy='http://p': does not"),
        (with_options("token_command: []"), "6: llms[0].token_command: must be a command, or a list of str"),
        (with_options("token_command: [a, 1]"), "6: llms[0].token_command: must be a command, or a list"),
        (GOOD.replace("requests: 10", "requests: 0"), "9: workloads[0].requests=0: must be a whole"),
        (GOOD.replace("requests: 10", "warmup: 1"), "7: workloads[0].requests: expected either"),
        (GOOD.replace("concurrency: 2", "concurrency: [2, 2]"), "8: workloads[0].concurrency: duplicate"),
        (GOOD + "        regions: []\n", "10: workloads[0].regions: shorter than minimum length 1"),
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
        (GOOD + "        find: rate\n", "8: workloads[0].concurrency=2: expected either find or concurrency"),
        (GOOD + "        budget: 900\n", "10: workloads[0].budget=900: needs find"),
        (SEARCH + "        trace: a\n", "11: workloads[0].trace='a': expected either find or trace"),
        (SEARCH + "        warmup: 4\n", "11: workloads[0].warmup=4: expected either find or warmup"),
        (SEARCH.replace("        slo", "        # slo"), "8: workloads[0].find='rate': needs slo"),
        (SEARCH.replace("find: rate", "find: speed"), "8: workloads[0].find='speed': must be one of: rate, "),
        (SEARCH.replace("ttft:p95", "ttft"), "9: workloads[0].slo.ttft=0.5: unknown objective; expected"
         " error_rate, or a quantile such as ttft:p95 of ttft, "),
        (SEARCH.replace("ttft:p95", "rps:p95"), "9: workloads[0].slo.rps:p95=0.5: unknown objective"),
        (SEARCH.replace("p95", "p100"), "9: workloads[0].slo.ttft:p100=0.5: unknown objective"),
        (SEARCH + "        confidence: 95\n", "11: workloads[0].confidence=95: must be a number from 0.5 to"),
        (GOOD + "        slo: {ttft:p95: 1}\n", "10: workloads[0].slo.ttft:p95=1: unknown objective"),
        (GOOD.replace("concurrency: 2", "rate: [2, 2.0000001]"), "8: workloads[0].rate: duplicate"),
        (GOOD + "        input_tokens: 1\n", "10: workloads[0].input_tokens=1: must be at least"),
        (GOOD + "        input_tokens: gamma:1,2\n",
         "10: workloads[0].input_tokens='gamma:1,2': must be one of N, A..B, normal:MEAN,STDDEV"),
        (GOOD + "        input_tokens: 1..90000000\n",
         "10: workloads[0].input_tokens='1..90000000': must have a mean from 1 to 1e+07"),
        (GOOD + "        input_tokens: '128'\n", "10: workloads[0].input_tokens='128': not a valid integer"),
        (GOOD + "        input_tokens: 1.5\n", "10: workloads[0].input_tokens=1.5: not a valid integer"),
        (GOOD + "        output_tokens: file:none.txt\n",
         "10: workloads[0].output_tokens='file:none.txt': file not found"),
        (GOOD + "        shared_prefix: 1.5\n",
         "10: workloads[0].shared_prefix=1.5: must be a number from 0 to 1"),
        (GOOD + "        prefixes: 4\n", "10: workloads[0].prefixes=4: needs shared_prefix"),
        (GOOD + "        extra_body: {since: 2026-01-01}\n",
         "10: workloads[0].extra_body: must be valid in JSON"),
        (GOOD + "        extra_body: {top_p: .nan}\n", "10: workloads[0].extra_body: must be valid in JSON"),
    ],
)  # fmt: skip
def test_a_fault_names_line_field_value_and_what_is_expected(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)


def test_a_shared_prefix_is_part_of_the_definition_and_described(write):
    (planned,) = read_benchmark_file(write(f"{GOOD}        shared_prefix: 0.5\n        prefixes: 4\n"))

    assert (planned.definition["shared_prefix"], planned.definition["prefixes"]) == (0.5, 4)
    described = description(planned.workload, planned.load)
    assert described.startswith("128 input tokens with 50% in common (4 prefixes), 128 output tokens")


def test_lengths_of_a_file_are_found_from_the_benchmark_files_folder(write, faults, tmp_path):
    (tmp_path / "lengths.txt").write_text("8\n16\n")
    text = f"{GOOD}        input_tokens: file:lengths.txt\n        output_tokens: normal:64,8\n"

    (planned,) = read_benchmark_file(write(text))
    assert planned.workload.input_tokens == f"file:{tmp_path}/lengths.txt"
    assert planned.definition["output_tokens"] == "normal:64,8"
    assert len(planned.definition["input_tokens"]) == 64

    (tmp_path / "lengths.txt").write_text("8\nmany\n")
    (fault,) = faults(text)
    assert fault == (
        f"benchmark.yml:10: workloads[0].input_tokens='file:lengths.txt': {tmp_path}/lengths.txt:2:"
        " must be a number of at least 0"
    )


def test_an_api_whose_package_is_not_installed_is_a_fault(faults, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    (fault,) = faults(GOOD.replace("model: fast", "model: fast\n        api: bedrock"))

    assert fault == (
        "benchmark.yml:6: llms[0].api='bedrock': needs botocore; expected pip install '.[bedrock]' in a clone"
    )


def test_a_key_and_a_command_that_prints_one_exclude_each_other(faults):
    (fault,) = faults(with_options("{api_key_env: KEY, token_command: get s3cret}"))

    assert fault == "benchmark.yml:7: llms[0].token_command: expected either api_key_env or token_command"


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
    "url", ["http://us:s3cret@h/v1", "http://h/v1?key=s3cret", "http://h/v1#s3cret", "ftp://h?a=s3cret"]
)
def test_a_secret_in_a_url_is_refused_and_not_shown(faults, url):
    (fault,) = faults(GOOD.replace("http://127.0.0.1:9/v1", url))

    assert fault.startswith("benchmark.yml:4: llms[0].base_url: ")
    assert "s3cret" not in fault


@pytest.mark.parametrize(
    "line",
    [
        "api_key: sk-s3cret",
        "api_key_env: sk-s3cret",
        "headers: {api-key: sk-s3cret}",
        "headers: {X: [sk-s3cret]}",
        "headers: sk-s3cret",
        "proxy: http://us:s3cret@p",
        "token_command: get 's3cret",
        "token_command: {get: s3cret}",
    ],
)
def test_a_key_in_the_file_is_refused_and_not_shown(faults, line):
    (fault,) = faults(GOOD.replace("model: fast", f"model: fast\n        {line}"))

    assert fault.startswith(f"benchmark.yml:6: llms[0].{line.split(':')[0]}")
    assert "s3cret" not in fault


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


def test_an_answer_schema_is_found_next_to_the_file_and_identified_by_its_content(write, tmp_path):
    text = GOOD + "        expects: json\n        answer_schema: schema.json\n"
    (tmp_path / "schema.json").write_text('{"type": "object"}')

    (found,) = read_benchmark_file(write(text))

    assert found.workload.answer_schema == str(tmp_path / "schema.json")
    assert found.definition["expects"] == "json"
    assert len(found.definition["answer_schema"]) == 64


@pytest.mark.parametrize(
    ("schema", "fault"), [(None, "file not found"), ("[]", "must be a JSON schema of type object")]
)
def test_a_wrong_answer_schema_is_refused_with_its_line(faults, tmp_path, schema, fault):
    if schema:
        (tmp_path / "schema.json").write_text(schema)
    (found,) = faults(GOOD + "        expects: json\n        answer_schema: schema.json\n")

    assert found.startswith("benchmark.yml:")
    assert "workloads[0].answer_schema='schema.json'" in found
    assert fault in found


def test_an_llm_without_tools_does_not_take_part_in_what_needs_them(faults):
    text = with_options("api: completions") + "        expects: tool\n"
    (found,) = faults(text)

    assert "no workload for it; expects=tool: does not apply to the completions API" in found


def test_conversations_have_turns_and_think_times_that_identify_the_scenario(write, tmp_path):
    (tmp_path / "pauses.txt").write_text("1\n2\n")
    text = GOOD + "        turns: 2..4\n        think_time: file:pauses.txt\n"

    (found,) = read_benchmark_file(write(text))

    assert (found.workload.turns, found.workload.think_time) == ("2..4", f"file:{tmp_path}/pauses.txt")
    assert found.definition["turns"] == "2..4"
    assert len(found.definition["think_time"]) == 64


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("turns: '3'", "turns='3': not a valid integer"),
        ("turns: 0", "turns=0: must be a whole number from 1 to 1000"),
        ("turns: 2..1500", "turns='2..1500': must be from 1 to 1000"),
        ("turns: some", "turns='some': must be one of N, A..B"),
        ("turns: all", "turns='all': needs a dataset of conversations"),
        ("think_time: 1", "think_time=1: needs turns"),
        ("turns: 3\n        think_time: -1", "think_time=-1: must be a number from 0 to 86400"),
        ("turns: all\n        dataset: bad.jsonl", "dataset='bad.jsonl': PATH/bad.jsonl:1: "),
    ],
)
def test_wrong_conversations_are_refused_by_their_field(faults, tmp_path, options, fault):
    (tmp_path / "bad.jsonl").write_text('{"prompt": 7}\n')

    (found,) = faults(GOOD + f"        {options}\n")

    assert f"workloads[0].{fault.replace('PATH', str(tmp_path))}" in found


def test_the_longest_duration_of_conversations_is_known_without_their_dataset(write, tmp_path):
    dataset = tmp_path / "talks.jsonl"
    said = [{"role": role, "content": "a"} for role in ("user", "assistant", "user")]
    dataset.write_text(json.dumps({"messages": said}) + "\n")
    (found,) = read_benchmark_file(
        write(GOOD + "        turns: all\n        dataset: talks.jsonl\n        timeout: 5\n")
    )
    dataset.unlink()

    assert found.longest_s == (10 / 2 + 1) * 2 * 5 + found.overhead_s


def test_an_llm_without_messages_does_not_take_part_in_conversations(faults):
    (found,) = faults(with_options("api: completions") + "        turns: 3\n")

    assert "no workload for it; turns=3: do not apply to the completions API" in found
