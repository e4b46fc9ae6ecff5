"""Commands that print a token: what is read of it, and how a level continues with a new one."""

import base64
import json
import shutil
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_measure.client.level import measure_level
from llm_measure.client.model_list import only_model
from llm_measure.client.token_command import TokenCommand, TokenError, ask, parse_token
from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Load, Workload
from tests.llm_measure.client.measured import STREAM
from tests.llm_measure.scripted import ScriptedServer, read_request, scripted, whole

NOW = 1_800_000_000.0
LATER = datetime.fromtimestamp(NOW + 60, UTC).isoformat()


def jwt(**claims: object) -> str:
    parts = ({"alg": "HS256"}, claims, "s")
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


@pytest.mark.parametrize(
    ("output", "text", "expires_at"),
    [
        (" sesame\n", "sesame", None),
        (jwt(exp=NOW + 60), jwt(exp=NOW + 60), NOW + 60),
        (jwt(sub="us"), jwt(sub="us"), None),
        ("a.b.c", "a.b.c", None),
        ('{"access_token": "sesame", "expires_in": 60, "token_type": "Bearer"}', "sesame", NOW + 60),
        ('{"access_token": "sesame", "expires_in": "60"}', "sesame", NOW + 60),
        (
            '{"accessToken": "sesame", "expiresOn": "2027-01-15 09:00:00.000000", "expires_on": 1800000060}',
            "sesame",
            NOW + 60,
        ),
        (
            json.dumps(
                {"kind": "ExecCredential", "status": {"token": "sesame", "expirationTimestamp": LATER}}
            ),
            "sesame",
            NOW + 60,
        ),
        (
            json.dumps({"credential": {"access_token": "sesame", "token_expiry": LATER}}),
            "sesame",
            NOW + 60,
        ),
        (json.dumps({"token": jwt(exp=NOW + 60), "expiry": "soon"}), jwt(exp=NOW + 60), NOW + 60),
        ('{"token": "sesame", "expires_in": "nan"}', "sesame", None),
        ('"sesame"', '"sesame"', None),
        ("123", "123", None),
    ],
)
def test_a_token_and_its_expiry_are_read_of_what_is_printed(output, text, expires_at):
    token = parse_token(output.encode(), NOW)

    assert (token.text, token.expires_at) == (text, expires_at)
    assert text not in repr(token)


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (b"", "printed nothing; expected one line"),
        (b"Please log in.\ns3cret", "printed more than a token; expected one line"),
        (b"s3cret \xff", "printed more than a token"),
        (
            b'{"status": {"s3cret": "s3cret"}}',
            "printed JSON without a token; expected one of token, access_t",
        ),
        (b'{"token": "s3cret\\nx"}', "printed more than a token"),
    ],
)
def test_an_output_that_holds_no_token_is_refused_without_showing_it(output, problem):
    with pytest.raises(TokenError, match=problem) as raised:
        parse_token(output, NOW)

    assert "s3cret" not in str(raised.value)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("no-such-command",), "token_command: no-such-command: cannot be run: No such file"),
        (("/tmp",), "token_command: tmp: cannot be run: Permission denied"),
        (python("print('s3cret'); raise SystemExit(3)"), ": exit code 3; expected a token and exit code 0"),
        (python("import os; print('s3cret', flush=True); os.kill(os.getpid(), 9)"), ": ended by signal 9"),
        (python("print('s3cret'); print('s3cret')"), ": printed more than a token"),
    ],
)
def test_a_command_that_fails_is_an_error_that_shows_nothing_that_it_printed(command, problem, capfd):
    with pytest.raises(TokenError, match=problem) as raised:
        ask(command)

    assert "s3cret" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_a_command_that_does_not_end_is_killed_with_its_children():
    sleep = shutil.which("sleep")
    child = f"import subprocess; subprocess.run([{sleep!r}, '100'])"

    with pytest.raises(TokenError, match=r"no end within 0\.5 s"):
        TokenCommand(python(child)).result(timeout_s=0.5)


class TokenServer(ScriptedServer):
    """Accepts the token of a file; after that number of requests, it expires and another one is there."""

    def __init__(self, file: Path, requests: int, renewed: bool = True):
        self._file, self._left, self._renewed = file, requests, renewed
        self._accepted, self._lock = "sesame-1", threading.Lock()
        self._file.write_text(self._accepted)
        self.answers: list[tuple[str, int]] = []  # token and status
        super().__init__([], keep=True, tls=None)

    def _respond(self, connection) -> None:
        while request := read_request(connection):
            with self._lock:
                token = request.partition(b"Authorization: Bearer ")[2].partition(b"\r\n")[0].decode()
                good = token == self._accepted
                self.answers.append((token, 200 if good else 401))
                self._left -= good
                if good and not self._left:
                    self._expire()
            refusal = json.dumps({"error": {"message": f"expired: {token}"}}).encode()
            connection.sendall(
                whole(STREAM) if good else whole(refusal, "401 Unauthorized", "application/json")
            )

    def _expire(self) -> None:
        self._accepted = "sesame-2"
        if self._renewed:
            self._file.write_text(self._accepted)
        else:
            self._file.unlink()


@pytest.fixture
def token_file(tmp_path):
    return tmp_path / "token"


@pytest.fixture
def printing(token_file):
    """The command that prints the file's token."""
    return (shutil.which("cat"), str(token_file))


def level(url: str, command: tuple[str, ...], load: Load, **more: object):
    return measure_level(
        Endpoint(url, "m", token_command=command), Workload(output_tokens=5, timeout_s=5), load, **more
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_a_token_that_expires_within_a_level_costs_the_refused_requests_alone(
    token_file, printing, processes
):
    with closing(TokenServer(token_file, 10)) as server:
        result = level(server.url, printing, Load(concurrency=2, requests=20 - 2), processes=processes)

    refused = [record for record in result.records if record.error]
    assert 1 <= len(refused) <= 2  # one per stream, at most
    assert {(record.error, record.status) for record in refused} == {("http_4xx", 401)}
    assert all(record.error_detail == "401: expired: (hidden)" for record in refused)
    assert Counter(server.answers) == {
        ("sesame-1", 200): 10,
        ("sesame-1", 401): len(refused),
        ("sesame-2", 200): 18 - 10 - len(refused),
    }


def test_requests_of_a_rate_wait_for_the_new_token_and_no_client_was_the_limit(token_file, tmp_path):
    slow = python(f"import time; time.sleep(0.2); print(open({str(token_file)!r}).read())")
    with closing(TokenServer(token_file, 10)) as server:
        result = level(server.url, slow, Load(rate=100, arrival="constant", requests=60))

    statuses = [record.status for record in result.records]
    assert statuses.count(401) <= 5
    assert set(statuses[-20:]) == {200}
    waited = [record for record in result.records if record.connect_ns > 20_000_000]
    assert len(waited) > 5
    assert max(record.late_ms for record in waited) < 100


def test_a_token_is_renewed_before_it_expires(tmp_path):
    number = tmp_path / "number"
    number.write_text("0")
    code = f"""
import json, pathlib
file = pathlib.Path({str(number)!r})
file.write_text(str(int(file.read_text()) + 1))
print(json.dumps({{"access_token": "sesame-" + file.read_text(), "expires_in": 1}}))
"""

    def numbers() -> list[int]:
        return [int(request.partition(b"sesame-")[2].partition(b"\r\n")[0]) for request in server.requests]

    class Enough:
        def is_set(self) -> bool:
            return len(set(numbers())) > 1

    with scripted(whole(STREAM), keep=True) as server:
        result = level(server.url, python(code), Load(rate=20, duration_s=20), stop=Enough())

    # On a busy machine the first token has expired before a request.
    assert len(set(numbers())) > 1
    assert numbers() == sorted(numbers())
    assert {record.error for record in result.records} <= {None, "cancelled"}


class RefusingServer(ScriptedServer):
    """Repeats the token that it refuses, as some servers do."""

    def _respond(self, connection) -> None:
        while request := read_request(connection):
            self.requests.append(request)
            token = request.partition(b"Bearer ")[2].partition(b"\r\n")[0]
            body = b'{"error": {"message": "no %b"}}' % token
            connection.sendall(whole(body, "401 Unauthorized", "application/json"))


def test_renewed_tokens_are_hidden_and_no_refusal_runs_the_command_again_and_again(tmp_path):
    asked = tmp_path / "asked"
    code = f"""
import pathlib
file = pathlib.Path({str(asked)!r})
file.write_text((file.read_text() if file.exists() else "") + "x")
print(("sesame", "another")[len(file.read_text()) > 1] + "-token")
"""
    with closing(RefusingServer([], keep=True, tls=None)) as server:
        result = level(server.url, python(code), Load(rate=50, arrival="constant", requests=30))

    assert any(b"Bearer another-token" in request for request in server.requests)
    assert {record.error_detail for record in result.records} == {"401: no (hidden)"}
    assert len(asked.read_text()) <= 3  # before the level, and at most once a second


def test_a_level_stops_while_its_requests_wait_for_a_command_that_hangs(tmp_path):
    second = tmp_path / "second"
    code = f"""
import pathlib, time
file = pathlib.Path({str(second)!r})
if file.exists():
    file.write_text("asked")
    time.sleep(100)
file.touch()
print("sesame")
"""

    class Asked:
        def is_set(self) -> bool:
            return second.exists() and second.read_text() == "asked"

    begun = time.monotonic()
    with closing(RefusingServer([], keep=True, tls=None)) as server:
        result = level(server.url, python(code), Load(concurrency=2, requests=20), stop=Asked())

    assert time.monotonic() - begun < 20
    assert [record.error for record in result.records].count("http_4xx") <= 2
    waiting = [record for record in result.records if record.error == "cancelled"]
    assert {record.error_detail for record in waiting} == {"stopped while waiting for a token"}


def test_the_list_of_models_is_asked_for_with_the_token():
    with scripted(whole(b'{"data": [{"id": "llama"}]}')) as server:
        assert only_model(Endpoint(server.url, "unknown", token_command=python("print('sesame')"))) == "llama"

    assert b"\r\nAuthorization: Bearer sesame\r\n" in server.requests[0]


def test_a_command_that_fails_within_a_level_is_named_with_the_refused_requests(token_file, printing):
    with closing(TokenServer(token_file, 3, renewed=False)) as server:
        result = level(server.url, printing, Load(concurrency=1, requests=6))

    assert [record.status for record in result.records] == 3 * [200] + 3 * [401]
    assert result.records[-1].error_detail == (
        "401: token_command: cat: exit code 1; expected a token and exit code 0; expired: (hidden)"
    )
