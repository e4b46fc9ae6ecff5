import io
import json
import logging
import re
from dataclasses import replace

import pytest

from tests.support import KEY
from tests.web import RANKINGS, serving
from webapp.logs import CONTEXT, bind, bind_more, configure_logging
from webapp.settings import Settings

TEXT_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) +[\w.]+: \S.*"
)
SECRETS = {
    "api_keys": (KEY, "a\"quoted'key"),
    "postgres_password": "the-database's",
    "redis_password": "p@ss%20w",
    "redis_sentinel_password": "the-sentinels'",
}


@pytest.fixture
def log_to(server_environment):
    """Configures logging with changed settings and returns what is written."""
    settings = Settings.from_env(server_environment)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    context = bind({})

    def configure(**changes):
        configure_logging(replace(settings, **SECRETS, **changes))
        return root.handlers[0].setStream(written := io.StringIO()) and written

    yield configure
    CONTEXT.reset(context)
    root.handlers[:] = before
    root.setLevel(level)


def fail(message):
    raise RuntimeError(message)


@pytest.fixture(params=["text", "json"])
def written(request, log_to):
    return log_to(log_format=request.param)


def test_text_is_one_line_per_event_with_time_level_and_logger(log_to):
    written = log_to(log_format="text")
    logging.getLogger("a.b").warning("of %s", "this")

    assert TEXT_LINE.fullmatch(written.getvalue().rstrip("\n"))
    assert written.getvalue().endswith(" WARNING a.b: of this\n")


def test_json_is_one_object_per_line_including_the_traceback(log_to):
    written = log_to(log_format="json")
    logging.getLogger("a").info("é\n%s", {"b": 1})
    try:
        fail("inside")
    except RuntimeError:
        logging.getLogger("a").exception("failed")

    first, second = [json.loads(line) for line in written.getvalue().splitlines()]
    assert set(first) == {"time", "level", "logger", "message"}
    assert "RuntimeError: inside" in second["exc_info"]


def test_json_has_the_context_of_the_event_with_secrets_redacted(log_to):
    written = log_to(log_format="json")
    bind({"job_id": "simulation-600", "slot": 600})
    bind_more(run_ids=[1, 2], note=f"by {KEY}")
    logging.getLogger("a").info("b")
    bind({"request_id": "r"})
    logging.getLogger("a").info("c")

    first, second = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (first["job_id"], first["slot"], first["run_ids"], first["note"]) == (
        *("simulation-600", 600, [1, 2]),
        "by (hidden)",
    )
    assert second["request_id"] == "r"
    assert "job_id" not in second


@pytest.mark.parametrize(
    "secret", [KEY, *SECRETS["api_keys"], "the-database's", "p@ss%20w", "the-sentinels'"]
)
def test_secrets_in_messages_and_errors_are_redacted(written, secret):
    logging.getLogger("a").warning("x%sx %r", secret, {secret: "b"})
    try:
        fail(secret)
    except RuntimeError:
        logging.getLogger("a").exception("failed with %s", secret)

    assert secret not in written.getvalue()
    assert json.dumps(secret)[1:-1] not in written.getvalue()
    assert "(hidden)" in written.getvalue()


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\0", "\x85", chr(0x2028), chr(0x202E)])
def test_a_value_that_was_sent_cannot_forge_a_line(written, character):
    logging.getLogger("a").warning("sent %s", f"x{character}2026-01-01 forged")

    assert len(written.getvalue().splitlines()) == 1
    assert character not in written.getvalue().rstrip("\n")


def test_an_errors_text_cannot_control_the_terminal(log_to):
    written = log_to(log_format="text")
    try:
        fail("\x1b[2J")
    except RuntimeError:
        logging.getLogger("a").exception("failed")

    assert written.getvalue().endswith("RuntimeError: \\x1b[2J\n")
    assert written.getvalue().count("\n") > 3


@pytest.mark.parametrize(("keys", "warned"), [(("1234",), True), ((KEY, "x" * 15), True), ((KEY,), False)])
def test_a_key_that_can_be_guessed_is_warned_of_at_the_start_without_being_shown(
    server_environment, capsys, keys, warned
):
    before = logging.getLogger().handlers[:]
    configure_logging(replace(Settings.from_env(server_environment), api_keys=keys))
    logging.getLogger().handlers[:] = before

    written = capsys.readouterr().err
    assert ("fewer than 16 characters" in written) == warned
    assert not any(key in written for key in keys)


def test_records_below_the_level_are_dropped(log_to):
    written = log_to(log_level="ERROR")
    logging.getLogger("a").warning("quiet")

    assert written.getvalue() == ""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_servers_whole_log_is_in_the_format_and_contains_no_key(environment, folder, log_format):
    key, wrong = "a-key-of-this-test", "a-wrong-key"
    settings = {"API_KEY": f"{key},another-one", "LOG_FORMAT": log_format, "LOG_LEVEL": "DEBUG"}
    with serving(environment, folder, **settings) as server:
        for given in (key, "another-one", wrong):
            for path in (RANKINGS, f"{RANKINGS}/nosuch", f"{RANKINGS}?x-api-key={given}", "/rq/", "/readyz"):
                server.request(path, headers={"x-api-key": given, "Authorization": f"Basic {given}"})
            server.send(f"GET {RANKINGS} HTTP/1.1\r\nHost: a\r\nx-api-key {given}\r\n\r\n".encode())
            server.send(f"GET {RANKINGS}?key={given} \xe9 HTTP/1.1\r\n\r\n".encode())
        server.request("/api/v1/benchmarks/rankings/%0Aforged", headers={"x-api-key": wrong})

    lines = server.log.splitlines()
    assert key not in server.log
    assert "another-one" not in server.log
    assert any("wrong API key from 127.0.0.1" in line for line in lines)
    for line in lines:
        if log_format == "json":
            assert set(json.loads(line)) >= {"time", "level", "logger", "message"}
        else:
            assert TEXT_LINE.fullmatch(line), line
