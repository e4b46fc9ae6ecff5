import csv
import io
import json
import re
import socket
from dataclasses import fields
from shutil import rmtree

import pytest

from llm_measure.load.lengths import Lengths
from llm_measure.metrics import METRICS
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Record
from llm_measure.report.reading import UnreadableDocumentError, read_document
from llm_measure.workloads import Workload
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS

STREAM = STREAMS["role first, usage last"].body
FIGURES = {"unit", "n", "mean", "stddev", "min", "max", "p50", "p90", "p95", "p99"} | {
    f"{quantile}_{end}" for quantile in ("p50", "p95", "p99") for end in ("low", "high")
}

OF_ANSWERS = METRICS.of("generation")


@pytest.fixture(scope="module")
def url():
    with running_mock_server(Behaviour(ttft=0.02, itl=0.002)) as url:
        yield url


@pytest.fixture
def measure(url):
    """Runs `llm-measure run` on the module's mock server; options of the test come last and win."""

    def run(*options: str, **environment: str):
        asked = ["--base-url", url, "--model", "m", "--output-tokens", "4", "--requests", "8"]
        return invoke("run", *asked, *options, **environment)

    return run


@pytest.fixture
def dead_url():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}/v1"


def test_the_json_has_its_stable_form(measure):
    done = measure("--concurrency", "1,4", "--slo", "ttft=5", "--format", "json", "--seed", "1")

    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert [level["concurrency"] for level in found["levels"]] == [1, 4]
    for level in found["levels"]:
        assert (level["pattern"], level["requests"], level["errors"]) == ("closed", 8, {})
        assert isinstance(level["valid"], bool)
        assert level["invalid_reason"] is None or not level["valid"]
        assert level["duration_s"] > 0
        assert level["client_cpu_s"] > 0
        assert set(level["send_lag_ms"]) == {"p50", "p99", "max"}
        assert list(level["metrics"]) == [metric.name for metric in OF_ANSWERS]
        for metric in OF_ANSWERS:
            figures = level["metrics"][metric.name]
            assert set(figures) == FIGURES
            assert figures["unit"] == metric.unit.symbol
        # A response that a busy machine delivers in one piece has no itl.
        assert (level["metrics"]["ttft"]["n"], level["metrics"]["itl"]["n"] % 3) == (8, 0)
        assert 0.02 <= level["metrics"]["ttft"]["p50"] <= level["metrics"]["ttft"]["p99"]
        assert level["metrics"]["slo_attainment"]["mean"] == 1
        assert level["metrics"]["goodput"]["mean"] == level["metrics"]["rps"]["mean"]


def test_prompts_have_the_tokens_of_the_endpoints_count_unless_it_is_not_probed(measure):
    with running_mock_server(Behaviour(ttft=0, itl=0, template_tokens=28, tokens_per_word=1.25)) as url:
        asked = ["--base-url", url, "--concurrency", "1,2", "--requests", "16"]
        probed = measure(*asked, "--format", "json")
        table = measure(*asked).stdout
        as_words = measure(*asked, "--format", "json", "--no-probe")

    for level in json.loads(probed.stdout)["levels"]:
        assert level["prompt"] == {
            "overhead": 28, "tokens_per_word": pytest.approx(1.25, abs=0.002), "probed": True,
            "problem": None, "words": pytest.approx(80, abs=0.5),
        }  # fmt: skip
        assert level["prompt_tokens"]["counted"] == pytest.approx(level["prompt_tokens"]["asked"], rel=0.02)
    assert (
        "counts 28 tokens for its template and 1.25 per word, so prompts have 79.93 words on average."
        in table
    )
    for level in json.loads(as_words.stdout)["levels"]:
        assert level["prompt_tokens"]["counted"] == 16 * (28 + 160)


def test_drawn_lengths_are_reported_by_their_distribution_and_as_they_were_drawn(url):
    asked = ["--base-url", url, "--model", "m", "--requests", "20", "--concurrency", "4", "--warmup", "0"]
    lengths = ["--input-tokens", "20..60", "--output-tokens", "2..6", "--seed", "5"]

    found = json.loads(invoke("run", *asked, *lengths, "--format", "json").stdout)

    assert (found["workload"]["input_tokens"], found["workload"]["output_tokens"]) == ("20..60", "2..6")
    (level,) = found["levels"]
    drawn = Lengths.of(Workload(input_tokens="20..60", output_tokens="2..6"), 5)
    assert level["prompt_tokens"]["asked"] == sum(map(drawn.input_tokens, range(20)))
    assert level["prompt_tokens"]["counted"] == level["prompt_tokens"]["asked"]
    assert level["output_tokens"]["counted"] == sum(map(drawn.output_tokens, range(20)))


@pytest.mark.parametrize("api", ["embeddings", "rerank", "rerank-tei"])
def test_inputs_are_measured_without_a_word_of_output(url, api):
    asked = ["--base-url", url, "--model", "m", "--api", api, "--inputs", "8", "--input-tokens", "32"]
    options = ["--requests", "8", "--concurrency", "2,4", "--slo", "e2e_latency=5"]

    table, document, lines = (
        invoke("run", *asked, *options, "--format", name) for name in ("table", "json", "csv")
    )

    for level in json.loads(document.stdout)["levels"]:
        assert (level["inputs"], level["errors"]) == (8, {})
        assert list(level["metrics"]) == [metric.name for metric in METRICS.of("encoding")]
        figures = {name: found["mean"] for name, found in level["metrics"].items()}
        assert figures["inputs_throughput"] == pytest.approx(8 * figures["rps"])
        assert figures["slo_attainment"] == 1
        assert list(level["from_intended"]) == ["e2e_latency"]
    for text in (table.stdout, lines.stdout):
        assert not re.search("output|ttft|finish|chunk|estimate", text, re.IGNORECASE)
    assert "Inputs per request: 8." in table.stdout
    assert re.search(r"concurrency +rps +inputs/s +tokens/s", table.stdout)


def test_the_json_of_inputs_with_records_can_be_read_back(url, tmp_path):
    out = tmp_path / "report.json"
    asked = ["--base-url", url, "--model", "m", "--api", "embeddings", "--requests", "2"]
    invoke("run", *asked, "--format", "json", "--with-records", "--out", str(out))

    found = read_document(out.read_text())

    assert (found.workload.inputs, len(found.levels[0].records)) == (1, 3)
    other = out.read_text().replace('"inputs": 1', '"inputs": null', 1)
    with pytest.raises(UnreadableDocumentError, match="inputs: missing; needed by the embeddings API"):
        read_document(other)


def test_an_open_loop_is_described_by_its_rate(measure):
    done = measure("--rate", "50", "--arrival", "constant", "--format", "json")

    (level,) = json.loads(done.stdout)["levels"]
    assert (level["pattern"], level["rate"]) == ("constant", 50)
    for name in ("slo_attainment", "goodput"):
        assert level["metrics"][name]["n"] == 0
        assert level["metrics"][name]["mean"] is None


def test_the_json_with_records_can_be_read_back(measure, tmp_path):
    out = tmp_path / "report.json"
    done = measure("--concurrency", "2,4", "--format", "json", "--with-records", "--out", str(out))

    assert (done.exit_code, done.stdout) == (0, "")
    found = read_document(out.read_text())
    assert (found.endpoint.model, found.workload.output_tokens) == ("m", 4)
    assert [level.load.concurrency for level in found.levels] == [2, 4]
    indexes = [record.index for level in found.levels for record in level.records]
    assert indexes == list(range(8 + 2 + 8 + 4))  # with one request per stream to warm up


def test_each_request_is_a_line_of_the_records_file(measure, tmp_path):
    file = tmp_path / "records.jsonl"
    file.write_text("of a former run\n")
    done = measure("--concurrency", "2,4", "--format", "json", "--records", str(file))

    assert "records" not in json.loads(done.stdout)["levels"][0]
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["index"] for record in records] == list(range(8 + 2 + 8 + 4))
    assert [record["level"] for record in records] == 10 * ["concurrency 2"] + 12 * ["concurrency 4"]
    assert sum(record["warmup"] for record in records) == 2 + 4
    assert set(records[0]) == {"level"} | {field.name for field in fields(Record)}
    assert all(0 < record["sent_ns"] < record["end_ns"] for record in records if not record["warmup"])


def test_the_records_of_a_level_are_written_when_it_ends(measure, tmp_path):
    file, seen = tmp_path / "records.jsonl", []

    def look() -> None:
        seen.append(len(file.read_bytes().splitlines()))

    with scripted(look, whole(STREAM), keep=True) as server:
        asked = [
            "--base-url",
            server.url,
            "--warmup",
            "0",
            "--concurrency",
            "1,1",
            "--requests",
            "2",
            "--no-probe",
        ]
        measure(*asked, "--records", str(file))

    assert seen == [0, 0, 2, 2]


def test_levels_are_reported_even_if_their_records_cannot_be_written(measure, tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    file = folder / "records.jsonl"
    with scripted(lambda: rmtree(folder, ignore_errors=True), whole(STREAM), keep=True) as server:
        asked = ["--base-url", server.url, "--concurrency", "1,2", "--format", "json"]
        done = measure(*asked, "--records", str(file))

    assert done.exit_code == 2
    assert f"--records {file}: cannot be written: No such file or directory" in done.stderr
    assert [level["concurrency"] for level in json.loads(done.stdout)["levels"]] == [1]


def test_what_makes_the_figures_doubtful_is_a_warning_in_table_and_json(measure):
    hidden = Behaviour(ttft=0, itl=0, cached_tokens=64, reasoning_tokens=2, reasoning="hidden")
    with running_mock_server(hidden) as doubtful:
        table = measure("--base-url", doubtful).stdout
        found = json.loads(measure("--base-url", doubtful, "--format", "json").stdout)

    cached, disagreement, few = found["levels"][0]["warnings"]
    assert cached.startswith("The server had 50% of the prompt tokens in a cache")
    assert disagreement.startswith("Stream and usage disagree in 8 of 8 responses: 16 tokens were counted")
    assert few == "p99 is of only 8 requests; expected at least 100."
    assert all(table.index(line) < table.index("┏") for line in (cached, disagreement, few))


def test_csv_has_a_line_per_level_and_metric(measure, tmp_path):
    out = tmp_path / "levels.csv"
    done = measure("--concurrency", "1,2", "--format", "csv", "--out", str(out))

    assert (done.exit_code, done.stdout) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == 2 * len(OF_ANSWERS)
    assert {row["load"] for row in rows} == {"1", "2"}
    assert float(rows[0]["p50"]) >= 0.02


def test_with_csv_warnings_are_on_stderr(measure):
    assert "p99 is of only 8 requests; expected at least 100.\n" in measure("--format", "csv").stderr


def test_with_csv_the_reasons_of_failures_are_on_stderr(measure, dead_url):
    done = measure("--base-url", dead_url, "--requests", "3", "--format", "csv")

    assert done.exit_code == 1
    assert re.search(r"^3 x connect: .*refused", done.stderr, re.MULTILINE)


def test_a_table_lists_each_metric(measure):
    done = measure("--concurrency", "2", "--processes", "2")

    assert done.exit_code == 0, done.stderr
    assert "concurrency 2: 8 requests, 0 failed" in done.stdout
    for metric in OF_ANSWERS:
        assert re.search(rf"\b{metric.name}\b.*\b{re.escape(metric.unit.symbol)}", done.stdout)


@pytest.mark.usefixtures("lenient_validity")
def test_a_sweep_measures_several_levels(measure):
    done = measure("--sweep", "--format", "json")

    levels = [level["concurrency"] for level in json.loads(done.stdout)["levels"]]
    assert levels[:2] == [1, 2]


@pytest.mark.moments  # throughput grows in valid levels alone
def test_a_sweep_that_ends_before_throughput_stops_growing_says_so(measure, monkeypatch):
    monkeypatch.setattr("llm_measure.sweep.MAX_CONCURRENCY", 1)

    done = measure("--sweep")

    assert "concurrency 1024: throughput still grows, but --sweep ends here; " in done.stderr


def test_an_endpoint_without_a_successful_response_ends_it_with_1(measure, dead_url):
    done = measure("--base-url", dead_url, "--requests", "2")

    assert done.exit_code == 1
    assert "2 x connect: " in done.stdout


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_endpoint_that_cannot_be_reached_is_given_up(measure, dead_url, processes):
    asked = ("--base-url", dead_url, "--requests", "200", "--concurrency", "2,4", "--processes", processes)
    done = measure(*asked, "--format", "json")

    assert done.exit_code == 1
    (level,) = json.loads(done.stdout)["levels"]
    assert (list(level["errors"]), level["requests"] < 60) == (["connect"], True)
    assert re.search(
        r"concurrency 2: gave up after \d+ requests that all failed alike \(connect: ", done.stderr
    )


def test_a_wrong_model_name_is_given_up_unless_asked_to_continue(measure):
    unknown = whole(b'{"error": {"message": "no model m"}}', "404 Not Found", "application/json")
    with scripted(unknown, keep=True) as server:
        asked = ("--base-url", server.url, "--requests", "8", "--warmup", "0", "--format", "json")
        given_up, continued = measure(*asked, "--give-up-after", "3"), measure(*asked, "--give-up-after", "0")

    assert "(http_4xx: 404: no model m; asked http://" in given_up.stderr
    assert json.loads(given_up.stdout)["levels"][0]["errors"]["http_4xx"] < 8
    assert json.loads(continued.stdout)["levels"][0]["errors"] == {"http_4xx": 8}


def test_an_endpoint_that_fails_otherwise_is_not_given_up(measure):
    broken = whole(b"no", "503 No", "text/plain")
    with scripted(broken, keep=True) as server:
        done = measure("--base-url", server.url, "--warmup", "0", "--format", "json", "--give-up-after", "2")

    assert json.loads(done.stdout)["levels"][0]["errors"] == {"http_5xx": 8}


def test_what_an_endpoint_sends_cannot_control_the_terminal(measure):
    answer = whole(b'{"error": {"message": "\\u001b]0;owned\\u0007 [bold]no"}}', "500 No", "application/json")
    with scripted(answer) as server:
        table = measure("--base-url", server.url, "--requests", "1")
        lines = measure("--base-url", server.url, "--requests", "1", "--format", "csv")

    for shown in (table.stdout, lines.stderr):
        assert "1 x http_5xx: 500: \\x1b]0;owned\\x07 [bold]no" in shown
        assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--base-url", ""], "base_url=''"),
        (["--base-url", "localhost"], "base_url='localhost'"),
        (["--model", ""], "model=''"),
        (
            ["--api", "images"],
            "api='images': unknown provider API; expected one of chat, completions",
        ),
        (["--inputs", "8"], "--inputs: does not apply to the chat API"),
        (["--api", "rerank", "--output-tokens", "4"], "--output-tokens: does not apply to the rerank API"),
        (["--concurrency", "1,x"], "'1,x': must be numbers separated by commas"),
        (["--concurrency", "0"], "concurrency=0"),
        (["--concurrency", "1", "--rate", "1"], "--concurrency and --rate: expected one of them"),
        (["--rate", "1", "--sweep"], "--rate and --sweep: expected one of them"),
        (["--duration", "1"], "--requests and --duration"),
        (["--slo", "ttft"], "'ttft': must be METRIC=BOUND"),
        (["--slo", "speed=1"], "slo=speed: unknown objective; expected one of ttft, "),
        (["--api-key-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE: environment variable not set or empty"),
        (["--header", "api-key"], "'--header': must be 'NAME: VALUE'"),
        (["--header", "Host: x"], "headers='Host': set by the client alone"),
        (["--header", "a: 1", "--header", "a: 2"], "--header: duplicate name"),
        (["--header", "api-key: ${NO_SUCH_VARIABLE}"], "variable NO_SUCH_VARIABLE: not set or empty"),
        (["--key-header", "api-key"], "--key-header: needs --api-key-env"),
        (["--key-scheme", ""], "--key-scheme: needs --api-key-env"),
        (["--dataset", "/nowhere.jsonl"], "/nowhere.jsonl: cannot be read: No such file or directory"),
        (["--dataset", "x", "--input-tokens", "5"], "--input-tokens"),
        (["--prefixes", "4"], "prefixes=4: needs shared_prefix"),
        (["--shared-prefix", "2"], "'--shared-prefix': 2.0 is not in the range 0<=x<=1"),
        (["--input-tokens", "gamma:1,2"], "'--input-tokens': 'gamma:1,2': must be one of N, A..B, normal:"),
        (
            ["--output-tokens", "file:/nowhere"],
            "'--output-tokens': 'file:/nowhere': /nowhere: cannot be read: No such file or directory",
        ),
        (["--dataset", "x", "--same-prompt"], "--same-prompt"),
        (["--extra-body", "[]"], "'[]': must be a JSON object"),
        (["--out", "/nowhere/x"], "--out /nowhere/x: cannot be written: No such file or directory"),
        (["--format", "xml"], "xml"),
        (["--arrival", "constant"], "--arrival: needs --rate"),
        (["--processes", "0"], "--processes"),
        (["--with-records"], "--with-records: needs --format json"),
        (["--records", "/nowhere/x"], "--records /nowhere/x: cannot be written: No such file or directory"),
        (
            ["--records", "/nowhere/x", "--out", "/nowhere/x"],
            "--out, --records and --plot: expected different files",
        ),
    ],
)
def test_wrong_options_end_it_with_2_and_one_line(options, word):
    asked = ["--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--requests", "8"]
    done = invoke("run", *asked, *options)

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert word in line


def test_the_model_may_be_left_out_if_the_endpoint_lists_one(url):
    asked = ["--base-url", url, "--output-tokens", "4", "--requests", "2", "--format", "json"]
    done = invoke("run", *asked)

    assert done.exit_code == 0, done.stderr
    assert "measuring the model mock\n" in done.stderr
    assert json.loads(done.stdout)["endpoint"]["model"] == "mock"


def test_without_a_model_an_endpoint_that_lists_none_ends_it_with_2_and_one_line(dead_url):
    done = invoke("run", "--base-url", dead_url)

    assert (done.exit_code, done.stdout) == (2, "")
    assert re.fullmatch(
        rf"Error: model: left out, and {dead_url}/models names none: connect: .*; expected --model NAME\n",
        done.stderr,
    )


def test_without_a_base_url_it_names_the_option():
    assert invoke("run", "--model", "m").stderr == "Error: Missing option '--base-url'.\n"


def test_the_key_comes_from_the_environment_and_is_never_shown(measure):
    with running_mock_server(Behaviour(ttft=0, itl=0, api_key="sesame")) as guarded:
        asked = ["--base-url", guarded, "--api-key-env", "KEY", "--requests", "2"]
        right = measure(*asked, "--format", "json", "--with-records", KEY="sesame")
        wrong = measure(*asked, KEY="open")

    assert right.exit_code == 0
    assert "sesame" not in right.output
    assert wrong.exit_code == 1
    assert "2 x http_4xx: 401" in wrong.stdout


def test_a_header_names_a_variable_whose_value_is_never_shown(measure):
    refusal = whole(b'{"error": {"message": "no sesame-open, no sesame"}}', "403 No", "application/json")
    with scripted(refusal) as server:
        asked = ["--base-url", server.url, "--requests", "2", "--warmup", "0", "--header", "X-Tenant:a"]
        done = measure(
            *asked, "--header", "api-key: ${KEY}", "--format", "json", "--with-records", KEY="sesame-open"
        )

    heads = [request.partition(b"\r\n\r\n")[0].split(b"\r\n") for request in server.requests]
    assert heads
    assert all({b"api-key: sesame-open", b"X-Tenant: a"} <= set(head) for head in heads)
    assert "sesame" not in done.output
    found = json.loads(done.stdout)
    assert found["endpoint"]["headers"] == {"X-Tenant": "a", "api-key": "${KEY}"}
    assert "(hidden)" in found["levels"][0]["error_details"]["http_4xx"]


def test_the_key_is_sent_in_the_header_that_is_asked_for(measure):
    with scripted(whole(STREAM), keep=True) as server:
        asked = ["--base-url", server.url, "--api-key-env", "KEY", "--key-header", "api-key"]
        done = measure(*asked, "--key-scheme", "", "--format", "json", KEY="sesame")

    assert done.exit_code == 0
    assert b"\r\napi-key: sesame\r\n" in server.requests[0]
    assert b"Authorization" not in server.requests[0]
    assert "sesame" not in done.output


def test_a_response_whose_maximum_was_not_asked_for_has_none_in_the_report(measure):
    with scripted(whole(STREAM), keep=True) as server:
        asked = ["--base-url", server.url, "--max-tokens-field", "none", "--no-stream-usage"]
        found = json.loads(measure(*asked, "--format", "json").stdout)

    sent = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert set(sent) == {"model", "messages", "stream"}
    assert (found["endpoint"]["max_tokens_field"], found["endpoint"]["stream_usage"]) == ("none", False)
    assert found["levels"][0]["output_tokens"]["asked"] is None


def test_the_query_of_the_base_url_is_sent_and_its_secret_never_shown(measure):
    missing = whole(b'{"error": {"message": "no open%2Fsesame"}}', "404 No", "application/json")
    with scripted(missing) as server:
        url = f"{server.url}?api-version=1&key=${{KEY}}"
        asked = ["--base-url", url, "--requests", "2", "--warmup", "0", "--format", "json"]
        done = measure(*asked, KEY="open/sesame")

    lines = {request.partition(b"\r\n")[0] for request in server.requests}
    assert lines == {b"POST /v1/chat/completions?api-version=1&key=open%2Fsesame HTTP/1.1"}
    assert "sesame" not in done.output
    found = json.loads(done.stdout)
    assert found["endpoint"]["base_url"] == url
    shown = f"404: no (hidden); asked {server.url}/chat/completions?api-version=1&key=${{KEY}}"
    assert found["levels"][0]["error_details"] == {"http_4xx": shown}


def test_levels_measured_before_the_dataset_vanished_are_reported(measure, tmp_path):
    dataset = tmp_path / "prompts.jsonl"
    dataset.write_text('{"prompt": "what is this?"}')
    with scripted(lambda: dataset.unlink(missing_ok=True), whole(STREAM), keep=True) as server:
        asked = ["--base-url", server.url, "--dataset", str(dataset), "--concurrency", "1,2"]
        done = measure(*asked, "--format", "json")

    assert done.exit_code == 2
    assert done.stderr == f"Error: {dataset}: cannot be read: No such file or directory\n"
    found = json.loads(done.stdout)
    assert len(found["workload"]["file_sha256"]["dataset"]) == 64
    assert [level["concurrency"] for level in found["levels"]] == [1]


def test_a_report_that_cannot_be_written_to_its_file_goes_to_stdout(measure, tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    out = folder / "report.json"
    with scripted(lambda: rmtree(folder, ignore_errors=True), whole(STREAM), keep=True) as server:
        done = measure("--base-url", server.url, "--format", "json", "--out", str(out))

    assert done.exit_code == 2
    assert (
        f"--out {out}: cannot be written: No such file or directory; the report is on stdout" in done.stderr
    )
    assert json.loads(done.stdout)["levels"][0]["errors"] == {}
