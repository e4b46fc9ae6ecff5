"""The client against real servers; every class of error is provoked for real."""

import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import closing

import pytest
import trustme

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import ERROR_CLASSES
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from tests.llm_measure.scripted import ScriptedServer, chunked, head, read_request, scripted, whole
from tests.llm_measure.streams import DONE, STREAMS, chat

TOKENS = 5
QUICK = Behaviour(ttft=0.01, itl=0.001)
STREAM = STREAMS["role first, usage last"].body
CHUNKED = head("200 OK", "text/event-stream", "transfer-encoding: chunked")


def measured(url, requests=2, timeout_s=5.0, key=None, concurrency=1) -> LevelResult:
    asks = Workload(output_tokens=TOKENS, timeout_s=timeout_s)
    load = Load(concurrency=concurrency, requests=requests)
    return measure_level(Endpoint(url, "m", api_key=key), asks, load)


def errors(result: LevelResult) -> Counter:
    assert all(record.error in (None, *ERROR_CLASSES) for record in result.records)
    assert all(record.error_detail for record in result.records if record.error)
    return Counter(record.error for record in result.records)


@pytest.fixture(scope="module")
def server():
    with running_mock_server(QUICK) as url:
        yield url


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return path


def test_an_answer_has_all_its_moments_in_their_order(server):
    for record in measured(server).records:
        moments = (record.intended_ns, record.sent_ns, record.first_byte_ns, record.first_token_ns,
                   record.last_token_ns, record.end_ns)  # fmt: skip
        assert list(moments) == sorted(moments)
        assert record.sent_ns + record.chunk_offsets_ns[0] == record.first_token_ns
        assert (record.status, record.output_tokens, record.token_source) == (200, TOKENS, "usage")
        assert (record.prompt_tokens, record.finish_reason) == (128, "length")


def test_times_are_those_of_the_server():
    with running_mock_server(Behaviour(ttft=0.1, itl=0.02)) as url:
        records = measured(url, requests=5).records

    for record in records:
        assert 0.1 <= (record.first_token_ns - record.sent_ns) / 1e9 < 0.15
        assert 0.07 <= (record.last_token_ns - record.first_token_ns) / 1e9 < 0.13


def test_a_refused_port_is_a_connect_error():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    assert errors(measured(f"http://127.0.0.1:{port}/v1")) == {"connect": 2}


def test_a_name_that_does_not_exist_is_a_connect_error():
    assert errors(measured("http://nosuch.invalid/v1")) == {"connect": 2}


def test_a_server_that_hangs_up_without_a_word_is_a_connect_error():
    with scripted() as server:
        assert errors(measured(server.url)) == {"connect": 2}


def test_an_untrusted_certificate_is_a_tls_error(certificate):
    with running_mock_server(QUICK, certificate) as url:
        assert errors(measured(url)) == {"tls": 2}


def test_a_server_without_tls_is_a_tls_error(server):
    assert errors(measured(server.replace("http:", "https:"))) == {"tls": 2}


def test_a_trusted_certificate_is_none(authority, certificate, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with running_mock_server(QUICK, certificate) as url:
        assert errors(measured(url)) == {None: 2}


def test_a_wrong_key_is_a_client_error_and_the_right_one_is_none():
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


def test_a_server_that_never_answers_is_a_timeout():
    with scripted(5.0) as server:
        assert errors(measured(server.url, timeout_s=0.2)) == {"timeout": 2}


BROKEN = chat({"content": "a"}).encode() + b'data: {"choices": [{"delta": \n\n'


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([CHUNKED, *chunked(BROKEN)], "malformed"),
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
    ],
    ids=["broken JSON", "HTML", "no stream", "redirect", "not HTTP", "bad chunk", "cut in a chunk",
         "no end", "no end of a connection", "cut in the head", "404", "503"],
)  # fmt: skip
def test_a_wrong_answer_has_its_class(steps, error):
    with scripted(*steps) as server:
        assert errors(measured(server.url)) == {error: 2}


def slowly(pieces: list[bytes]) -> list[bytes | float]:
    """So that each is read on its own."""
    return [step for piece in pieces for step in (0.02, piece)]


WIDE = STREAMS["characters of several bytes"].body
WITHIN_CHARACTER, WITHIN_DATA = WIDE.index("😀".encode()) + 2, WIDE.index(b"data:", 10) + 3


@pytest.mark.parametrize(
    "steps",
    [
        [CHUNKED, *chunked(STREAM)],
        [whole(STREAM)],
        [head(), STREAM],
        [b"HTTP/1.1 100 Continue\r\n\r\n", whole(STREAM)],
        [CHUNKED, *chunked(STREAM.replace(b"\n", b"\r\n"))],
        [CHUNKED, *chunked(*(WIDE[at : at + 1] for at in range(len(WIDE))))],
        [CHUNKED, *slowly(chunked(WIDE[:WITHIN_CHARACTER], WIDE[WITHIN_CHARACTER:]))],
        [CHUNKED, *slowly(chunked(WIDE[:WITHIN_DATA], WIDE[WITHIN_DATA:]))],
        [CHUNKED, chunked(STREAM)[0][:30], 0.02, chunked(STREAM)[0][30:], b"0\r\n", 0.02, b"\r\n"],
    ],
    ids=["chunked", "with a length", "ended by the connection", "100 Continue", "CRLF", "a byte a chunk",
         "cut in a character", "cut in data:", "cut in a chunk and in the end"],
)  # fmt: skip
def test_an_answer_may_come_in_any_pieces(steps):
    with scripted(*steps) as server:
        result = measured(server.url)

    assert errors(result) == {None: 2}
    assert {len(record.chunk_offsets_ns) for record in result.records} == {2}


def test_a_connection_is_used_again_unless_the_server_ends_it(server):
    with scripted(whole(STREAM), keep=True) as keeping:
        assert errors(measured(keeping.url, requests=5)) == {None: 5}
        assert keeping.connections == 1
    with scripted(whole(STREAM, "200 OK", "text/event-stream", "connection: close")) as closing:
        assert errors(measured(closing.url, requests=5)) == {None: 5}
        assert closing.connections == 5


class DroppingServer(ScriptedServer):
    """Answers the first request of each connection, takes the second, and a little later ends it."""

    def _serve(self, connection):
        with connection:
            self.requests.append(read_request(connection))
            connection.sendall(whole(STREAM))
            if request := read_request(connection):
                self.requests.append(request)
                time.sleep(0.3)


def test_a_request_on_a_connection_that_the_server_was_ending_is_sent_again():
    with scripted(whole(STREAM)) as server:
        result = measured(server.url, requests=20)

    assert errors(result) == {None: 20}


def test_a_request_that_the_server_takes_and_drops_has_failed_and_is_not_sent_again():
    with closing(DroppingServer([], keep=True, tls=None)) as server:
        result = measured(server.url, requests=10)

    assert errors(result) == {None: 5, "connect": 5}
    assert len(server.requests) == 10


def test_a_run_goes_on_whatever_happens():
    faults = {"error_rate": 0.1, "rate_limit_rate": 0.1, "truncate_rate": 0.1, "stall_rate": 0.1}
    with running_mock_server(Behaviour(ttft=0.01, itl=0.001, **faults)) as url:
        result = measured(url, requests=80, concurrency=8, timeout_s=0.5)

    found = errors(result)
    assert found.total() == 80
    assert set(found) == {None, "http_5xx", "rate_limited", "truncated", "timeout"}
    assert found[None] > 30


def test_requests_under_way_are_cancelled_when_told_to_stop():
    stop = threading.Event()
    with running_mock_server(Behaviour(ttft=0.02, itl=60)) as url:
        threading.Timer(2, stop.set).start()
        result = measure_level(Endpoint(url, "m"), Workload(), Load(concurrency=4, duration_s=60), stop=stop)

    assert errors(result) == {"cancelled": 4}
    assert all(record.first_token_ns for record in result.records)


def test_a_stop_may_come_in_the_very_moment_of_an_answer():
    with running_mock_server(Behaviour(ttft=0, itl=0)) as url:
        for _ in range(8):
            stop = threading.Event()
            threading.Timer(0.1, stop.set).start()
            load = Load(concurrency=64, duration_s=10)
            result = measure_level(Endpoint(url, "m"), Workload(output_tokens=1), load, stop=stop)
            assert set(errors(result)) <= {None, "cancelled"}


def test_each_request_asks_what_the_workload_says_and_no_prompt_twice():
    with scripted(whole(STREAM), keep=True) as server:
        endpoint = Endpoint(f"{server.url}/", "the model", api_key="secret")
        asks = Workload(output_tokens=7, extra_body={"ignore_eos": True, "stream_options": None})
        measure_level(endpoint, asks, Load(concurrency=2, requests=6))

    assert len(set(server.requests)) == 6
    for request in server.requests:
        assert request.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"Authorization: Bearer secret\r\n" in request
        for part in (b'"max_tokens": 7', b'"ignore_eos": true', b'"model": "the model"', b'"stream": true'):
            assert part in request
        assert b"stream_options" not in request


def test_a_proxy_of_the_environment_is_told_the_whole_url(monkeypatch):
    with scripted(whole(STREAM), keep=True) as proxy:
        monkeypatch.setenv("http_proxy", f"http://us:%40@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "other")
        assert errors(measured("http://llm.invalid/v1")) == {None: 2}

    assert proxy.requests[0].startswith(b"POST http://llm.invalid/v1/chat/completions HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXM6QA==\r\n" in proxy.requests[0]


class Tunnel(ScriptedServer):
    """A proxy that connects through to one server, whatever it is asked for."""

    def __init__(self, port: int):
        self._to = port
        super().__init__([], keep=False, tls=None)

    def _serve(self, connection: socket.socket) -> None:
        self.requests.append(read_request(connection))
        onward = socket.create_connection(("127.0.0.1", self._to))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pump, args=(onward, connection), daemon=True).start()
        pump(connection, onward)


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while part := source.recv(65536):
            sink.sendall(part)
    except OSError:
        pass
    finally:
        sink.close()


def test_tls_goes_through_a_proxy_by_a_tunnel(authority, tmp_path, monkeypatch):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("llm.invalid").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with scripted(whole(STREAM), keep=True, tls=tls) as server:
        tunnel = Tunnel(server.port)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{tunnel.port}")
        assert errors(measured("https://llm.invalid/v1")) == {None: 2}
        tunnel.close()

    assert tunnel.requests[0].startswith(b"CONNECT llm.invalid:443 HTTP/1.1\r\n")


def test_a_proxy_that_refuses_a_tunnel_is_a_connect_error(monkeypatch):
    with scripted(whole(b"", "403 Forbidden", "text/plain")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        result = measured("https://llm.invalid/v1")

    assert errors(result) == {"connect": 2}
    assert "403 Forbidden" in result.records[0].error_detail


def test_done_alone_ends_an_answer():
    with scripted(whole((chat({"content": "a"}) + DONE).encode())) as server:
        assert errors(measured(server.url)) == {None: 2}
