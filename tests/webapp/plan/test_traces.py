"""Workloads that replay a trace."""

import pytest

from bench.traces import FOLDER
from llm_measure.load import traces
from llm_measure.load.trace_formats import requests_of
from llm_measure.workloads import Load
from tests.webapp.plan.files import GOOD
from webapp.plan.benchmark_file import read_benchmark_file

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
