"""How `llm-measure run` reaches an endpoint."""

import csv
import io
import json
import ssl
import sys

import pytest
import trustme

from llm_measure.report.reading import read_document
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.conversing import conversing
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import STREAMS

STREAM = STREAMS["role first, usage last"].body


@pytest.fixture
def secured():
    """A server whose certificate nobody trusts."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with scripted(whole(STREAM), keep=True, tls=tls) as server:
        yield server.url.replace("http:", "https:")


def run(url: str, *options: str, **environment: str):
    return invoke(
        "run", "--base-url", url, "--model", "m", "--requests", "4", "--warmup", "0", *options, **environment
    )


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--ca-file", "/nowhere"], "ca_file='/nowhere': cannot be read: No such file or directory"),
        (["--client-cert", "/nowhere"], "client_cert='/nowhere': cannot be read"),
        (["--client-key", "/nowhere"], "client_key: needs client_cert"),
        (["--insecure", "--ca-file", "/nowhere"], "insecure: verifies nothing, so ca_file has no effect"),
        (["--insecure", "--base-url", "http://127.0.0.1:1/v1"], "insecure: needs an https URL"),
        (["--base-url", "https+unix://%2Fa/v1"], "https+unix is not supported; expected http+unix"),
        (["--proxy", "http://us:s3cret@p"], "proxy: its credentials may be a secret"),
        (["--proxy", "http://us:${NO_SUCH_VARIABLE}@p"], "variable NO_SUCH_VARIABLE: not set or empty"),
        (["--token-command", "get 's3cret"], "'--token-command': no closing quotation"),
        (["--token-command", " "], "'--token-command': empty; expected a command"),
        (["--token-command", "/nowhere/get s3cret"], "token_command: get: cannot be run: No such file"),
        (["--token-command", "false s3cret"], "token_command: false: exit code 1; expected a token"),
        (
            ["--token-command", "get", "--api-key-env", "KEY"],
            "--api-key-env and --token-command: expected one",
        ),
    ],
)
def test_what_cannot_be_used_ends_it_with_2_and_one_line_before_anything_is_sent(options, word):
    done = run("https://127.0.0.1:1/v1", *options, KEY="sesame")

    assert (done.exit_code, done.stdout) == (2, "")
    assert word in done.stderr
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--turns", "some"], "'--turns': 'some': must be one of N, A..B"),
        (["--turns", "all"], "turns=all: needs a dataset of conversations"),
        (["--turns", "3", "--think-time", "x"], "'--think-time': 'x': must be one of N"),
        (["--think-time", "2"], "think_time=2.0: needs turns"),
        (["--turns", "3", "--api", "completions"], "turns=3: does not apply to the completions API"),
    ],
)
def test_conversations_that_cannot_be_held_are_refused(options, word):
    done = run("http://127.0.0.1:1/v1", *options)

    assert (done.exit_code, done.stdout) == (2, "")
    assert word in done.stderr


def test_each_record_of_a_conversation_has_its_number_and_turn(tmp_path):
    records = tmp_path / "records.jsonl"
    with conversing() as server:
        options = ("--turns", "2..3", "--think-time", "0.01", "--seed", "4", "--no-probe")
        report = ("--records", str(records), "--format", "json", "--with-records")
        done = run(server.url, *options, *report)

    (found,) = json.loads(done.stdout)["levels"]
    turns = [
        (each["conversation"], each["turn"]) for each in map(json.loads, records.read_text().splitlines())
    ]
    assert server.faults() == []
    assert len(set(turns)) == len(turns) == len(server.said)
    assert (found["conversations"], len({number for number, _ in turns})) == (4, 4)
    assert found["by_turn"]["later"]["ttft"]["n"] == sum(turn > 1 for _, turn in turns)
    assert read_document(done.stdout).levels[0].records[0].turn == 1


def test_insecure_is_stated_in_the_table_the_csv_and_the_json(secured):
    table, as_csv, as_json = (
        run(secured, "--insecure", "--format", each, "--with-records" if each == "json" else "--seed=1")
        for each in ("table", "csv", "json")
    )

    assert table.exit_code == as_csv.exit_code == as_json.exit_code == 0
    assert "TLS was not verified (insecure)" in table.stdout
    assert "TLS was not verified (insecure)" in as_csv.stderr
    assert {row["insecure"] for row in csv.DictReader(io.StringIO(as_csv.stdout))} == {"true"}
    found = json.loads(as_json.stdout)
    assert found["endpoint"]["insecure"] is True
    assert found["levels"][0]["transport"] == {"insecure": True}
    assert read_document(as_json.stdout).levels[0].insecure


def test_the_password_of_a_proxy_comes_from_the_environment_and_is_never_shown():
    with scripted(whole(STREAM), keep=True) as proxy:
        option = f"http://us:${{PASSWORD}}@127.0.0.1:{proxy.port}"
        done = run("http://llm.invalid/v1", "--proxy", option, "--format", "json", PASSWORD="open/sesame")

    assert done.exit_code == 0
    assert b"Proxy-Authorization: Basic dXM6b3Blbi9zZXNhbWU=\r\n" in proxy.requests[0]
    assert json.loads(done.stdout)["endpoint"]["proxy"] == option
    assert "sesame" not in done.output


def test_a_command_is_asked_for_the_key_before_each_level_and_neither_is_shown(tmp_path):
    asked = tmp_path / "asked"
    code = f"open({str(asked)!r}, 'a').write('x'); print('sesame-open')"
    refusal = whole(b'{"error": {"message": "no sesame-open, no sesame"}}', "401 No", "application/json")
    with scripted(whole(STREAM), keep=True) as server, scripted(refusal, keep=True) as refusing:
        command = ["--token-command", f'{sys.executable} -c "{code}"', "--format", "json", "--with-records"]
        done = run(server.url, *command, "--concurrency", "1,2", "--key-header", "api-key")
        refused = run(refusing.url, *command)

    assert done.exit_code == 0
    assert all(b"\r\napi-key: sesame-open\r\n" in request for request in server.requests)
    assert asked.read_text().startswith("xx")
    assert "sesame" not in done.output + refused.output
    assert "401: no (hidden)" in refused.stdout
