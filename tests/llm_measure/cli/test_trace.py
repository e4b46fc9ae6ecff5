"""llm-measure run --trace."""

import json

import pytest

from bench.traces import FOLDER, FORMATS
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.report.reading import read_document
from tests.llm_measure.cli.command import invoke

AZURE, MOONCAKE = str(FOLDER / "azure.csv"), str(FOLDER / "mooncake.jsonl")


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.0001, template_tokens=9)) as url:
        yield url


def run(url: str, *options: str):
    return invoke("run", "--base-url", url, "--model", "m", *options)


@pytest.mark.parametrize("name", FORMATS)
def test_a_trace_of_each_format_is_replayed_with_its_lengths(url, name):
    done = run(url, "--trace", str(FOLDER / name), "--speed", "100", "--format", "json")

    assert done.exit_code == 0, done.stderr
    (level,) = json.loads(done.stdout)["levels"]
    left_out = level["trace"]["left_out"]
    assert level["trace"] == {"format": name.partition(".")[0].partition("_")[0], "rows": 50,
                              "left_out": left_out}  # fmt: skip
    assert (level["pattern"], level["speed"], level["requests"]) == ("trace", 100, 50 - left_out)
    assert bool(left_out) == name.startswith("burstgpt")


def test_it_has_a_level_for_each_speed_of_the_same_window_and_lengths(url):
    done = run(url, "--trace", MOONCAKE, "--speed", "50,100", "--window", "1..6", "--format", "json",
               "--with-records", "--requests", "20")  # fmt: skip

    assert done.exit_code == 0, done.stderr
    found = read_document(done.stdout)
    assert (found.workload.trace, found.workload.trace_window) == (MOONCAKE, (1.0, 6.0))
    assert found.file_sha256.keys() == {"trace"}
    assert [level.load.level for level in found.levels] == ["x50", "x100"]
    counted = [[record.prompt_tokens for record in level.records] for level in found.levels]
    assert counted[0] == counted[1]
    lines = map(json.loads, (FOLDER / "mooncake.jsonl").read_text().splitlines())
    inside = [line["input_length"] for line in lines if 1000 <= line["timestamp"] < 6000]
    assert counted[0] == inside[:20]
    assert {level.trace.rows for level in found.levels} == {50}
    assert json.loads(done.stdout)["workload"].keys() & {"input_tokens", "output_tokens"} == set()


def test_the_table_states_trace_send_lag_and_rates(url):
    done = run(url, "--trace", AZURE, "--speed", "100,200")

    assert "trace at 100x: 50 requests, 0 failed" in done.stdout
    assert "50 requests of 50 in a trace as Azure has it; p99 of their delay by the client: " in done.stdout
    assert "rps is not ranked: the load sets it." in done.stdout
    assert "The endpoint counts 9 tokens for its template and 1 per word.\n" in done.stdout
    assert "speed" in done.stdout
    assert done.stdout.count("Offered ") == 2


def test_csv_has_the_speed_as_the_load(url):
    done = run(url, "--trace", AZURE, "--speed", "250", "--format", "csv")

    header, first, *_ = done.stdout.splitlines()
    assert header.startswith("pattern,load,")
    assert first.startswith("trace,250.0,")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--speed", "2"], "--speed: needs --trace"),
        (["--window", "1..2"], "--window: needs --trace"),
        (["--trace", AZURE, "--rate", "2"], "--rate: does not apply to --trace"),
        (["--trace", AZURE, "--concurrency", "2"], "--concurrency: does not apply to --trace"),
        (["--trace", AZURE, "--arrival", "poisson"], "--arrival: does not apply to --trace"),
        (["--trace", AZURE, "--sweep"], "--sweep: does not apply to --trace"),
        (["--trace", AZURE, "--duration", "2"], "--duration: does not apply to --trace"),
        (["--trace", AZURE, "--warmup", "0"], "--warmup: does not apply to --trace"),
        (["--trace", AZURE, "--dataset", AZURE], "--dataset: does not apply to --trace"),
        (["--trace", AZURE, "--input-tokens", "2"], "--input-tokens: does not apply to --trace"),
        (["--trace", AZURE, "--output-tokens", "2"], "--output-tokens: does not apply to --trace"),
        (["--trace", AZURE, "--same-prompt"], "--same-prompt: does not apply to --trace"),
        (["--trace", AZURE, "--api", "embeddings"], "trace: brings its requests; leave out inputs"),
        (["--trace", AZURE, "--speed", "0"], "speed=0.0: must be greater than 0 and finite"),
        (["--trace", AZURE, "--speed", "fast"], "'fast': must be numbers separated by commas"),
        (["--trace", AZURE, "--window", "1-2"], "'1-2': must be FROM..TO in seconds, such as 60..360"),
        (["--trace", AZURE, "--window", "2..1"], "must be two moments, the second one later"),
        (["--trace", AZURE, "--window", "900..901"], "no requests from 900 s to 901 s; the last one is at"),
        (["--trace", "/nowhere"], "/nowhere: cannot be read: No such file or directory"),
        (["--trace", __file__], "test_trace.py:1: unknown format; expected Mooncake's JSONL"),
    ],
)
def test_wrong_options_end_it_with_2_and_one_line_before_anything_is_sent(options, word):
    done = run("http://127.0.0.1:1/v1", *options)

    assert (done.exit_code, done.stdout) == (2, "")
    assert word in done.stderr
