"""`flask import-results`, from the file that `llm-measure run` writes to the leaderboard."""

import json
from dataclasses import asdict

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.report.document import document
from llm_measure.workloads import Workload
from tests.llm_measure.cli.command import invoke
from tests.measured import answered, failed, level
from tests.support import query
from tests.webapp.cli.refusal import assert_refused

LEVEL = level([answered(index) for index in range(4)])
DOCUMENT = document(
    Endpoint("http://127.0.0.1:9/v1", "m"), Workload(input_tokens=64, output_tokens=5), [LEVEL], records=True
)


@pytest.fixture
def measured(tmp_path, mock_servers, lenient_validity):
    """Measures a mock server by the command; returns the file that it has written."""

    def measured(*options: object):
        file = tmp_path / "results.json"
        url = mock_servers.start()
        asked = ["--base-url", url, "--model", "mock", "--output-tokens", "5", "--requests", "6"]
        asked += ["--warmup", "1", "--format", "json", "--with-records", "--out", str(file)]
        done = invoke("run", *asked, *map(str, options))
        assert done.exit_code == 0, done.stderr
        return file

    return measured


@pytest.fixture
def run(flask, tmp_path):
    """Writes a file (text, bytes, or a document as JSON) and imports it."""

    def run(content: object, *options: str):
        file = tmp_path / "results.json"
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return flask("import-results", file, *(options or ("--llm", "GPT-4o")))

    return run


def ranked(client, scenario: str) -> list[str]:
    board = client.get(f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={scenario}&metric=ttft")
    assert board.status_code == 200, board.text
    return [row["llm_name"] for row in board.json["metrics"][0]["llms"]]


def test_what_the_command_measured_is_ranked(measured, flask, client):
    file = measured("--concurrency", "1,2")

    done = flask("import-results", file, "--llm", "GPT-4o", "--name", "trial")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "imported as scenario trial@c1\nimported as scenario trial@c2\n"
    assert ranked(client, "trial@c1") == ranked(client, "trial@c2") == ["GPT-4o"]


def test_a_rate_and_another_api_are_part_of_the_scenario(measured, flask, client):
    file = measured("--rate", "50", "--api", "completions")

    done = flask("import-results", file, "--llm", "GPT-4o", "--name", "trial")

    assert done.stdout == "imported as scenario trial@r50-completions\n"
    assert ranked(client, "trial@r50-completions") == ["GPT-4o"]


def test_results_of_a_dataset_are_imported_where_the_dataset_is_missing(measured, flask, client, tmp_path):
    dataset = tmp_path / "prompts.jsonl"
    dataset.write_text('{"prompt": "Hello"}\n{"prompt": "World"}\n')
    file = measured("--concurrency", "1", "--dataset", dataset)
    dataset.unlink()

    done = flask("import-results", file, "--llm", "GPT-4o")

    scenario = done.stdout.removeprefix("imported as scenario ").strip()
    assert scenario.startswith("dataset-5-")
    assert ranked(client, scenario) == ["GPT-4o"]


def test_results_are_read_from_stdin(flask, client):
    done = flask("import-results", "-", "--llm", " GPT-4o ", "--name", "trial", input=json.dumps(DOCUMENT))

    assert done.stdout == "imported as scenario trial@c8\n"
    assert ranked(client, "trial@c8") == ["GPT-4o"]


def test_importing_the_same_file_twice_stores_it_once(run, conn):
    first, again = run(DOCUMENT), run(DOCUMENT)

    assert again.exit_code == 0
    assert again.stdout == first.stdout.replace("imported", "already stored")
    assert query(conn, "SELECT count(*) FROM runs") == [(1,)]


def test_the_reason_of_a_failure_is_printed_in_one_line_without_control_characters(run):
    bad = document(
        Endpoint("http://h/v1", "m"), Workload(), [level([failed(0, "http_5xx", "a\x1b[2J\nb")])], True
    )

    done = run(bad, "--llm", "GPT-4o", "--name", "trial")

    assert done.exit_code == 0
    assert done.stdout == (
        "imported as scenario trial@c8, not ranked: all 1 requests failed (http_5xx 1); the first with:"
        " a\\x1b[2J\\nb\n"
    )


def changed(**changes: object) -> dict[str, object]:
    """The document with a changed level."""
    return {**DOCUMENT, "levels": [{**DOCUMENT["levels"][0], **changes}]}


def without(name: str) -> dict[str, object]:
    """The document with a level that lacks the field."""
    (of_level,) = DOCUMENT["levels"]
    return {**DOCUMENT, "levels": [{key: value for key, value in of_level.items() if key != name}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "results.json: "),
        ("Levels: 3", "results.json: JSON is malformed"),
        (b"\xff\xfe", "results.json: cannot be read"),
        ("[]", "Expected `object`"),
        ("{}", "endpoint"),
        ({"metrics": {}}, "endpoint"),
        (without("records"), "write it with --with-records"),
        ({**DOCUMENT, "levels": []}, "levels: empty"),
        ({**DOCUMENT, "endpoint": {**DOCUMENT["endpoint"], "api": "talk"}}, "unknown provider API"),
        ({**DOCUMENT, "workload": {"output_tokens": 0}}, "output_tokens=0: must be at least 1"),
        (changed(started_at="yesterday"), "yesterday"),
        (changed(started_at="2026-11-24T12:00:00"), "no time zone"),
        (changed(started_at="9999-12-31T23:59:59+00:00"), "check the clock"),
        (changed(load={"concurrency": 1, "rate": 1, "requests": 1}), "load: needs either"),
        (changed(records=[asdict(answered(0)), asdict(answered(0))]), "index=0: duplicate"),
        (changed(records=[{**asdict(answered(0)), "index": 2**40}]), "index=1099511627776: out of range"),
        ({**DOCUMENT, "workload": {"dataset": "prompts.jsonl"}}, "file_sha256: does not fit; expected"),
        ('{"workload": ' + '{"a":' * 9999 + "1" + "}" * 9999 + "}", "results.json: maximum recursion depth"),
    ],
)  # fmt: skip
def test_a_file_of_another_shape_is_refused_in_one_line(run, conn, content, message):
    assert_refused(run(content), message)
    assert query(conn, "SELECT count(*) FROM requests") == [(0,)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--llm", "Nobody"], "llm='Nobody': unknown LLM; see flask llms list"),
        (["--llm", "\udcff"], "name: "),
        (["--llm", ""], "name: "),
        (["--llm", "GPT-4o", "--name", "chat@c8"], "'chat@c8': must be a name"),
        (["--llm", "GPT-4o", "--name", ""], "'': must be a name"),
        (["--llm", "GPT-4o", "--name", "\udcff"], "must be a name"),
        (["--name", "chat"], "Missing option '--llm'"),
        (["--llm", "GPT-4o", "--verbose"], "--verbose"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_in_one_line(run, conn, options, message):
    assert_refused(run(DOCUMENT, *options), message)
    assert query(conn, "SELECT count(*) FROM runs") == [(0,)]


def test_a_missing_file_is_refused_in_one_line(flask, tmp_path):
    assert_refused(
        flask("import-results", tmp_path / "none.json", "--llm", "GPT-4o"), "none.json' does not exist"
    )
    assert_refused(flask("import-results", tmp_path, "--llm", "GPT-4o"), str(tmp_path))


def test_malformed_stdin_is_refused_in_one_line(flask):
    assert_refused(flask("import-results", "-", "--llm", "GPT-4o", input="no JSON"), "stdin", "malformed")


def test_an_archived_llm_is_refused_with_the_command_that_restores_it(run, flask):
    flask("llms", "archive", "GPT-4o")

    assert_refused(run(DOCUMENT), "llm='GPT-4o': archived; restore it with: flask llms restore GPT-4o")


def test_a_changed_workload_is_refused_in_one_line(run):
    run(DOCUMENT, "--llm", "GPT-4o", "--name", "chat")
    other = {**DOCUMENT, "workload": {**DOCUMENT["workload"], "output_tokens": 9}}

    refused = run(other, "--llm", "GPT-4o", "--name", "chat")

    assert_refused(refused, "scenario chat@c8: output_tokens changed", "give the workload a new name")


def test_a_database_without_migrations_is_refused_with_the_remedy(make_app, own_database, tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(DOCUMENT))
    runner = make_app(**own_database).test_cli_runner()

    refused = runner.invoke(args=["import-results", str(file), "--llm", "GPT-4o"])

    assert_refused(refused, "not migrated; run make run-migrations")
