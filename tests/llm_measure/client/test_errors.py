"""Every class of error, provoked by real servers."""

import socket
import time
from contextlib import closing

import pytest

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.client.measured import CHUNKED, STREAM, errors, measured
from tests.llm_measure.scripted import ScriptedServer, chunked, head, read_request, scripted, whole
from tests.llm_measure.streams import chat


def test_a_refused_port_is_a_connect_error():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    assert errors(measured(f"http://127.0.0.1:{port}/v1")) == {"connect": 2}


def test_an_unknown_host_is_a_connect_error():
    assert errors(measured("http://nosuch.invalid/v1")) == {"connect": 2}


def test_a_connection_closed_without_a_response_is_a_connect_error():
    with scripted() as server:
        assert errors(measured(server.url)) == {"connect": 2}


def test_a_wrong_or_missing_key_is_a_client_error_and_the_right_one_is_none():
    with running_mock_server(Behaviour(ttft=0, itl=0, api_key="right")) as url:
        wrong = measured(url, key="wrong")
        assert errors(wrong) == {"http_4xx": 2}
        assert {record.status for record in wrong.records} == {401}
        assert errors(measured(url)) == {"http_4xx": 2}
        assert errors(measured(url, key="right")) == {None: 2}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit_rate", "rate_limited"),
        ("error_rate", "http_5xx"),
        ("stall_rate", "timeout"),
        ("truncate_rate", "truncated"),
    ],
)
def test_a_fault_of_the_server_has_its_class(fault, error):
    with running_mock_server(Behaviour(ttft=0.01, itl=0.001, **{fault: 1.0})) as url:
        assert errors(measured(url, timeout_s=0.3)) == {error: 2}


def test_a_server_that_never_responds_is_a_timeout():
    with scripted(5.0) as server:
        assert errors(measured(server.url, timeout_s=0.2)) == {"timeout": 2}


BROKEN = chat({"content": "a"}).encode() + b'data: {"choices": [{"delta": \n\n'
DEEP = chat({"content": "a"}).encode() + b'data: {"error": ' + 5000 * b"[" + b"\n\n"
BIG = chat({"content": "a"}, usage={"completion_tokens": 1 << 40}).encode() + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([CHUNKED, *chunked(BROKEN)], "malformed"),
        ([CHUNKED, *chunked(DEEP)], "malformed"),
        ([CHUNKED, *chunked(BIG)], "malformed"),
        ([whole(b"<html>Welcome</html>", "200 OK", "text/html")], "malformed"),
        ([whole(b'{"choices": []}', "200 OK", "application/json")], "malformed"),
        ([whole(b"", "307 Temporary Redirect", "text/plain", "location: http://x/v1")], "malformed"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "malformed"),
        ([CHUNKED, b"zz\r\n"], "malformed"),
        ([CHUNKED, chunked(STREAM)[0][:-40]], "truncated"),
        ([CHUNKED, *chunked(chat({"content": "a"}).encode())], "truncated"),
        ([head(), chat({"content": "a"}).encode()], "truncated"),
        ([b"HTTP/1.1 200"], "truncated"),
        ([whole(b"no", "404 Not Found", "text/plain")], "http_4xx"),
        ([whole(b"no", "503 Service Unavailable", "text/plain")], "http_5xx"),
        ([whole(5000 * b"[", "503 Service Unavailable", "application/json")], "http_5xx"),
    ],
    ids=["broken JSON", "deep JSON", "2**40 tokens", "HTML", "no stream", "redirect", "not HTTP", "bad chunk",
         "cut in a chunk", "no end", "no end of a connection", "cut in the head", "404", "503", "deep 503"],
)  # fmt: skip
def test_a_wrong_response_has_its_class(steps, error):
    with scripted(*steps) as server:
        assert errors(measured(server.url)) == {error: 2}


def test_a_long_finish_reason_is_cut():
    with scripted(whole(chat({"content": "a"}, 5000 * "stop").encode())) as server:
        result = measured(server.url)

    assert errors(result) == {None: 2}
    assert {record.finish_reason for record in result.records} == {25 * "stop"}


class DroppingServer(ScriptedServer):
    """Responds to the first request of each connection, reads the second, and closes it a little later."""

    def _serve(self, connection):
        with connection:
            self.requests.append(read_request(connection))
            connection.sendall(whole(STREAM))
            if request := read_request(connection):
                self.requests.append(request)
                time.sleep(0.3)


def test_a_request_on_a_connection_that_the_server_was_closing_is_sent_again():
    with scripted(whole(STREAM)) as server:
        result = measured(server.url, requests=20)

    assert errors(result) == {None: 20}


def test_a_request_that_the_server_reads_and_drops_has_failed_and_is_not_sent_again():
    with closing(DroppingServer([], keep=True, tls=None)) as server:
        result = measured(server.url, requests=10)

    assert errors(result) == {None: 5, "connect": 5}
    assert len(server.requests) == 10


def test_a_level_continues_through_all_failures():
    faults = {"error_rate": 0.1, "rate_limit_rate": 0.1, "truncate_rate": 0.1, "stall_rate": 0.1}
    with running_mock_server(Behaviour(ttft=0.01, itl=0.001, **faults)) as url:
        result = measured(url, requests=80, concurrency=8, timeout_s=0.5)

    found = errors(result)
    assert found.total() == 80
    assert set(found) == {None, "http_5xx", "rate_limited", "truncated", "timeout"}
    assert found[None] > 30


@pytest.mark.parametrize(
    ("base", "hint"),
    [("", "; does the base URL lack /v1?"), ("/v1", ""), ("/openai/v1", "")],
    ids=["without /v1", "with /v1", "with /openai/v1"],
)
def test_a_404_names_the_url_that_was_asked(base, hint):
    with scripted(whole(b'{"detail": "Not Found"}', "404 Not Found", "application/json")) as server:
        root = server.url.removesuffix("/v1")
        (record, _) = measured(root + base).records

    assert record.error_detail == f"404: Not Found; asked {root}{base}/chat/completions{hint}"
