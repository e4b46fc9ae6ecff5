"""`flask notify test`."""

import pytest

from tests.receiver import receiving
from tests.webapp.cli.refusal import assert_refused

FILE = """
notify:
  - { target: HOOK, secret_env: HOOK_KEY }
  - { target: NTFY, severity: critical }
"""


@pytest.fixture
def run(make_app, tmp_path):
    """Runs the command with a benchmark file."""

    def run(*arguments: str):
        path = tmp_path / "benchmark.yml"
        path.write_text(FILE)
        return (
            make_app(benchmark_file=str(path)).test_cli_runner().invoke(args=["notify", "test", *arguments])
        )

    return run


@pytest.fixture
def receiver(monkeypatch):
    with receiving() as found:
        monkeypatch.setenv("HOOK", f"{found.url}/s3cret")
        monkeypatch.setenv("HOOK_KEY", "key")
        monkeypatch.setenv("NTFY", found.url.replace("http", "ntfy") + "/topic")
        yield found


def test_every_target_gets_a_message(run, receiver):
    done = run()

    assert (done.exit_code, done.output) == (0, "HOOK: sent\nNTFY: sent\n")
    hook, ntfy = receiver.requests
    assert hook.json["event"] == "test"
    assert ntfy.json["message"] == "This target receives the messages of LLM Benchmark."


def test_one_target_gets_a_message(run, receiver):
    done = run("NTFY")

    assert (done.exit_code, done.output, len(receiver.requests)) == (0, "NTFY: sent\n", 1)


def test_a_second_test_is_no_duplicate_of_the_first(run, receiver):
    run("HOOK")
    run("HOOK")

    first, second = (request.headers["idempotency-key"] for request in receiver.requests)
    assert first != second


def test_a_target_that_does_not_accept_it_is_named(run, receiver):
    receiver.statuses[:] = [500]

    done = run()

    assert (done.exit_code, done.output) == (1, "HOOK: responded with status 500\nNTFY: sent\n")


def test_a_variable_that_is_not_set_is_named(run, receiver, monkeypatch):
    monkeypatch.delenv("HOOK")

    done = run()

    assert done.exit_code == 2
    assert done.output == "HOOK: environment variable HOOK: not set\nNTFY: sent\n"


def test_a_target_that_is_not_in_the_file_is_refused(run):
    assert_refused(run("OTHER"), "target='OTHER': unknown; expected one of HOOK, NTFY")


def test_without_rules_it_refuses(flask):
    assert_refused(flask("notify", "test"), "BENCHMARK_FILE: no notify")
