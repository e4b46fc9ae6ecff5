"""TLS, proxies and Unix sockets, against real servers."""

import itertools
import socket
import ssl
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from llm_measure.client.level import measure_level
from llm_measure.client.model_list import only_model
from llm_measure.client.proxies import proxy_of
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from tests.llm_measure.client.measured import CHUNKED, STREAM, errors, measured
from tests.llm_measure.scripted import ScriptedServer, read_request, scripted, whole

QUICK = Behaviour(ttft=0.01, itl=0.001)


def test_an_untrusted_certificate_is_a_tls_error(certificate):
    with running_mock_server(QUICK, certificate) as url:
        assert errors(measured(url)) == {"tls": 2}


def test_a_server_without_tls_is_a_tls_error():
    with running_mock_server(QUICK) as url:
        assert errors(measured(url.replace("http:", "https:"))) == {"tls": 2}


def test_a_trusted_certificate_is_accepted(trusted, certificate):
    with running_mock_server(QUICK, certificate) as url:
        assert errors(measured(url)) == {None: 2}


def test_a_proxy_of_the_options_wins_over_the_environment_also_on_this_machine(monkeypatch):
    monkeypatch.setenv("PROXY_PASSWORD", "@")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "*")
    with scripted(whole(STREAM), keep=True) as proxy:
        option = f"http://us:${{PROXY_PASSWORD}}@127.0.0.1:{proxy.port}"
        assert errors(measured("http://localhost:1/v1", proxy=option)) == {None: 2}

    assert proxy.requests[0].startswith(b"POST http://localhost:1/v1/chat/completions HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXM6QA==\r\n" in proxy.requests[0]


def test_no_proxy_is_asked_if_the_options_say_so(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setattr("llm_measure.client.proxies._is_local", lambda host: False)
    monkeypatch.delenv("no_proxy", raising=False)
    with scripted(whole(STREAM), keep=True) as server:
        assert errors(measured(server.url)) == {"connect": 2}
        assert errors(measured(server.url, proxy="none")) == {None: 2}


def test_a_proxy_of_the_options_tunnels_tls(authority, trusted):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("llm.invalid").configure_cert(tls)
    with scripted(whole(STREAM), keep=True, tls=tls) as server:
        tunnel = Tunnel(server.port)
        proxy = f"http://127.0.0.1:{tunnel.port}"
        assert errors(measured("https://llm.invalid/v1", proxy=proxy)) == {None: 2}
        tunnel.close()

    assert tunnel.requests[0].startswith(b"CONNECT llm.invalid:443 HTTP/1.1\r\n")


class UnixServer(ScriptedServer):
    """Listens on a Unix socket."""

    def __init__(self, path: Path, *steps: bytes):
        self._steps, self._keep, self._tls = steps, True, None
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self.requests, self.connections = [], 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self._respond(connection)


@pytest.fixture
def unix_url(tmp_path):
    return f"http+unix://{quote(str(tmp_path / 'LLM.sock'), safe='')}/v1"


def test_a_unix_socket_is_asked_whatever_proxy_the_environment_names(tmp_path, unix_url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    with closing(UnixServer(tmp_path / "LLM.sock", whole(STREAM))) as server:
        result = measured(unix_url, requests=20, concurrency=4)

    assert errors(result) == {None: 20}
    assert result.clock == "client"  # the kernel notes no times there
    assert server.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")


def test_a_unix_socket_lists_its_models(tmp_path, unix_url):
    with closing(UnixServer(tmp_path / "LLM.sock", whole(b'{"data": [{"id": "llama"}]}'))):
        assert only_model(Endpoint(unix_url, "unknown")) == "llama"


def test_a_unix_socket_that_is_not_there_is_a_connect_error(unix_url):
    result = measured(unix_url)

    assert errors(result) == {"connect": 2}
    assert "No such file" in result.records[0].error_detail


def test_a_plain_proxy_gets_the_whole_url_and_its_credentials(monkeypatch):
    with scripted(whole(STREAM), keep=True) as proxy:
        monkeypatch.setenv("http_proxy", f"http://us:%40@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "other")
        assert errors(measured("http://llm.invalid/v1")) == {None: 2}

    assert proxy.requests[0].startswith(b"POST http://llm.invalid/v1/chat/completions HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXM6QA==\r\n" in proxy.requests[0]


def test_a_proxy_of_the_environment_that_is_no_url_is_refused_without_its_password(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://us:sesame/1@127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "other")

    with pytest.raises(ValueError, match=r"\Ahttp_proxy: must be http://\[USER:PASSWORD@\]HOST:PORT\Z"):
        measured("http://llm.invalid/v1")


def test_the_user_of_a_proxy_without_a_password_is_a_secret(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://sesame-open@127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "other")

    proxy = proxy_of(Endpoint("http://llm.invalid/v1", "m"))
    assert "sesame-open" in proxy.secrets


def test_the_list_of_models_is_asked_for_through_the_proxy(monkeypatch):
    with scripted(whole(b'{"data": [{"id": "llama"}]}'), keep=True) as proxy:
        monkeypatch.setenv("http_proxy", f"http://us:%40@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "other")
        assert only_model(Endpoint("http://llm.invalid/v1", "unknown")) == "llama"

    assert proxy.requests[0].startswith(b"GET http://llm.invalid/v1/models HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXM6QA==\r\n" in proxy.requests[0]


def test_the_list_of_models_needs_a_trusted_certificate(trusted, certificate, monkeypatch):
    with running_mock_server(QUICK, certificate) as url:
        assert only_model(Endpoint(url, "unknown")) == "mock"
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(ValueError, match="names none: tls: "):
            only_model(Endpoint(url, "unknown"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_asked_without_a_proxy(monkeypatch, host):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with scripted(whole(STREAM), keep=True) as server:
        assert errors(measured(f"http://{host}:{server.port}/v1")) == {None: 2}


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


def test_tls_goes_through_a_proxy_by_a_tunnel(authority, trusted, monkeypatch):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("llm.invalid").configure_cert(tls)
    with scripted(whole(STREAM), keep=True, tls=tls) as server:
        tunnel = Tunnel(server.port)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{tunnel.port}")
        assert errors(measured("https://llm.invalid/v1")) == {None: 2}
        tunnel.close()

    assert tunnel.requests[0].startswith(b"CONNECT llm.invalid:443 HTTP/1.1\r\n")


def test_a_proxy_that_refuses_a_tunnel_is_a_connect_error(monkeypatch):
    with scripted(whole(b"", "403 " + 1000 * "no", "text/plain")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        result = measured("https://llm.invalid/v1")

    assert errors(result) == {"connect": 2}
    detail = result.records[0].error_detail
    assert detail.startswith("the proxy answers HTTP/1.1 403 nono")
    assert len(detail) <= 400


@pytest.mark.parametrize(
    ("steps", "detail"),
    [
        ([b"HTTP/1.1 200 OK\r\n", itertools.repeat(1000 * b"x: y\r\n")], "head is longer than 65536 bytes"),
        ([itertools.repeat(1000 * b"x")], "head is longer than 65536 bytes"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], "the proxy answers HTTP/1.1 100"),
        ([b"\r\n\r\n"], "the proxy answers"),
        ([b"HTTP/1.1 407 Proxy-Authorization: Basic dXM6cGFzc3cwcmQ= of passw0rd\r\n\r\n"], "(hidden)"),
        ([b"HTTP/1.1 200 OK\x1b[2J\0\xff\r\n", 70_000 * b"x"], "200 OK\\x1b[2J\\x00"),
    ],
    ids=["endless headers", "no head", "100 Continue", "an empty head", "the password", "control characters"],
)
def test_what_a_proxy_answers_is_bounded_and_cleaned(monkeypatch, steps, detail):
    with scripted(*steps) as proxy:
        monkeypatch.setenv("https_proxy", f"http://us:passw0rd@127.0.0.1:{proxy.port}")
        result = measured("https://llm.invalid/v1", requests=1)

    assert errors(result) == {"connect": 1}
    assert detail in result.records[0].error_detail
    assert "passw0rd" not in result.records[0].error_detail
    assert "dXM6" not in result.records[0].error_detail


def test_a_proxy_whose_answer_trickles_is_a_connect_error_at_the_timeout(monkeypatch):
    begun = time.monotonic()
    with scripted(b"HTTP/1.1 200 OK\r\n", itertools.cycle([b"x", 0.01])) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        result = measured("https://llm.invalid/v1", requests=1, timeout_s=0.3)

    assert errors(result) == {"connect": 1}
    assert time.monotonic() - begun < 10


class EagerServer(ScriptedServer):
    """Sends this to each connection immediately."""

    def __init__(self, greeting: bytes):
        self._greeting = greeting
        super().__init__([], keep=False, tls=None)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(self._greeting)
            connection.recv(65536)


@pytest.mark.parametrize("garbage", [1000 * b"\x16\x03\x01\xff", 1000 * b"\0", 1000 * b"HTTP/1.1 400\r\n"])
def test_garbage_instead_of_tls_is_a_tls_error(garbage):
    with closing(EagerServer(garbage)) as server:
        result = measured(server.url.replace("http:", "https:"), requests=1)

    assert errors(result) == {"tls": 1}


def test_a_flood_through_tls_ends_at_a_limit_and_lets_timers_run(authority, trusted):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    ticks = []
    with scripted(CHUNKED, itertools.repeat(10_000 * b"1\r\na\r\n"), tls=tls) as server:
        endpoint = Endpoint(server.url.replace("http:", "https:"), "m")
        load = Load(concurrency=1, requests=2)
        result = measure_level(endpoint, Workload(), load, on_progress=ticks.append)

    assert errors(result) == {"malformed": 2}
    assert ticks
