import json
from contextlib import ExitStack

import pytest

from llm_measure import Load, Workload, measure
from llm_measure.check.file import read_file
from tests.llm_measure.check import kinds
from tests.llm_measure.check.kinds import kind
from tests.llm_measure.cli.command import invoke

KINDS = {
    "fine": kinds.fine,
    "max tokens": kinds.refuses_max_tokens,
    "stream options": kinds.refuses_stream_options,
    "buffers": kinds.buffers,
    "no usage": kinds.reports_no_usage,
    "caches": kinds.caching(),
    "without v1": kinds.needs_v1,
    "completions": kinds.only_completions,
    "one model": kinds.only_model,
    "unknown model": kinds.unknown_model,
    "rate limited": kinds.rate_limited,
    "broken": kinds.drops_the_last_chunk,
    "key": kinds.wrong_key,
}
CHANGED = {
    "max tokens": {"max_tokens_field": "max_completion_tokens"},
    "stream options": {"stream_usage": False},
    "completions": {"api": "completions"},
    "one model": {"model": "meta/llama"},
}
FAILED = {"unknown model", "rate limited", "broken", "key"}


@pytest.fixture(scope="module")
def urls():
    with ExitStack() as stack:
        found = {name: stack.enter_context(kind(answer)).url for name, answer in KINDS.items()}
        yield {**found, "without v1": found["without v1"].removesuffix("/v1")}


@pytest.fixture
def file(urls, tmp_path):
    path = tmp_path / "benchmark.yml"
    llms = [f"  - name: {name}\n    base_url: {url}  # here\n    model: m\n" for name, url in urls.items()]
    path.write_text("# all kinds\nllms:\n" + "".join(llms) + "workloads: [ ]  # none\n")
    return path


def test_each_kind_has_a_row_and_what_to_set(file, urls):
    done = invoke("check", str(file))

    assert done.exit_code == 1
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert set(rows) == set(urls)
    assert "usable" in rows["fine"]
    assert "cached_tokens" in rows["caches"]
    for line in (
        "max tokens: set max_tokens_field: max_completion_tokens",
        "stream options: set stream_usage: false",
        f"without v1: set base_url: {urls['without v1']}/v1",
        "completions: set api: completions",
        "one model: set model: meta/llama",
        "unknown model: model: one of those listed: ",
        "rate limited: cannot be measured: 429: Rate limit reached for requests",
        "broken: cannot be measured: the stream broke off after 5 events",
        "key: api_key_env: the endpoint asks for a key",
        "requests were sent.",
    ):
        assert line in done.stdout


def test_what_it_writes_measures_without_an_error_and_the_rest_of_the_file_stays(file, urls):
    before = file.read_text().splitlines()

    done = invoke("check", str(file), "--write", "--format", "json")

    found = json.loads(done.stdout)
    verdicts = {each["name"]: each["verdict"] for each in found["endpoints"]}
    assert done.exit_code == 1
    assert {name for name, verdict in verdicts.items() if verdict == "fails"} == FAILED
    assert {name for name, verdict in verdicts.items() if verdict == "change"} == {*CHANGED, "without v1"}
    assert found["requests"] == sum(each["requests"] for each in found["endpoints"])
    after = file.read_text().splitlines()
    assert [line for line in before if line not in after] == [f"    base_url: {urls['without v1']}  # here"]
    for target in read_file(file).targets:
        if target.name not in FAILED:
            result = measure(target.endpoint, Workload(output_tokens=8), Load(concurrency=1, requests=1))
            assert [record.error for record in result.records] == [None], target.name


def test_a_file_that_needs_no_change_stays_byte_for_byte(urls, tmp_path):
    path = tmp_path / "benchmark.yml"
    text = f"llms: [ {{name: A,   base_url: '{urls['fine']}', model: m }} ] # ours\r\n"
    path.write_bytes(text.encode())
    before = path.stat()

    done = invoke("check", str(path), "--write")

    assert (done.exit_code, path.read_bytes()) == (0, text.encode())
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_else_the_file_has_is_not_checked_which_it_says(urls, tmp_path):
    path = tmp_path / "benchmark.yml"
    llms = f"llms: [{{name: A, base_url: '{urls['fine']}', model: m}}]\n"
    path.write_text(f"{llms}workloads: [{{concurrency: none}}]\n")

    done = invoke("check", str(path))

    assert done.exit_code == 0
    assert done.stderr == f"{path}: only the LLMs were checked, not workloads and notifications\n"


def test_a_written_change_is_no_fault_any_more(urls, tmp_path):
    path = tmp_path / "benchmark.yml"
    path.write_text(f"llms:\n- name: A\n  base_url: {urls['max tokens']}\n  model: m\n")

    codes = [invoke("check", str(path), *write).exit_code for write in ([], ["--write"], [])]

    assert codes == [1, 0, 0]


def test_a_missing_variable_is_a_row(urls, tmp_path):
    path = tmp_path / "benchmark.yml"
    one = f"{{name: A, base_url: '{urls['fine']}', model: m, api_key_env: NO_SUCH_KEY}}"
    path.write_text(f"llms: [{one}, {{name: B, base_url: '{urls['fine']}', model: m}}]\n")

    done = invoke("check", str(path))

    assert done.exit_code == 1
    assert "A: cannot be measured: environment variable NO_SUCH_KEY: not set or empty" in done.stdout
    assert "3 requests were sent." in done.stdout


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("max tokens", "--max-tokens-field max_completion_tokens"),
        ("stream options", "--no-stream-usage"),
        ("completions", "--api completions"),
        ("one model", "--model meta/llama"),
    ],
)
def test_one_endpoint_is_checked_by_its_options(urls, name, options):
    done = invoke("check", "--base-url", urls[name], "--model", "m")

    assert done.exit_code == 1
    assert f"m: set {options}\n" in done.stdout
    again = invoke("check", "--base-url", urls[name], "--model", "m", *options.split(" "))
    assert again.exit_code == 0, again.stdout


def test_without_a_model_the_one_that_is_listed_is_checked(urls):
    done = invoke("check", "--base-url", urls["one model"], "--format", "json")

    (found,) = json.loads(done.stdout)["endpoints"]
    assert (done.exit_code, found["model"], found["changes"]) == (0, "meta/llama", {})


def test_without_a_model_it_names_those_of_an_endpoint_that_lists_several(urls):
    done = invoke("check", "--base-url", urls["unknown model"])

    assert done.exit_code == 1
    assert "model: one of those listed: qwen, llama-3.1-8b, llama-3.1-70b" in done.stdout


def test_an_endpoint_that_takes_any_model_needs_one_too():
    def answer(request):
        return kinds.models("a", "b") if request.method == "GET" else None

    with kind(answer) as server:
        done = invoke("check", "--base-url", server.url)

    assert done.exit_code == 1
    assert "cannot be measured: model: the endpoint lists 2 models" in done.stdout


def test_the_output_has_no_secret(urls, monkeypatch):
    done = invoke(
        "check", "--base-url", urls["key"], "--model", "m", "--api-key-env", "KEY", KEY="sesame-key"
    )

    assert done.exit_code == 1
    assert "Incorrect API key provided: (hidden)" in done.stdout
    assert "sesame" not in done.output


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ([], "FILE and --base-url: expected one of them"),
        (["file.yml", "--base-url", "http://a"], "FILE and --base-url: expected one of them"),
        (["--base-url", "http://a/v1", "--write"], "--write: needs FILE"),
        (["file.yml", "--api-key-env", "PATH"], "leave out --api-key-env"),
        (["nowhere.yml"], "nowhere.yml: cannot be read"),
        (["--base-url", "ftp://a"], "base_url='ftp://a': must be"),
    ],
)
def test_wrong_options_and_unusable_files_end_with_2(options, fault):
    done = invoke("check", *options)

    assert (done.exit_code, done.stdout) == (2, "")
    assert fault in done.stderr
