"""HTTP/2, with a real server that offers nothing else, and with one that misbehaves."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.settings import SettingCodes, Settings

from llm_measure import Endpoint, Load, Workload, measure
from llm_measure.client.model_list import only_model
from llm_measure.measuring import Result
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.client.measured import STREAM
from tests.llm_measure.scripted import ScriptedServer
from tests.tools import find, needs

HEAD = [(":status", "200"), ("content-type", "text/event-stream")]


def measured(url: str, requests: int = 2, **endpoint: object) -> Result:
    workload = Workload(input_tokens=8, output_tokens=8, timeout_s=5)
    load = Load(concurrency=1, requests=requests)
    return measure(Endpoint(url, "m", **endpoint), workload, load, probe=False)


def errors(result: Result) -> list[tuple[str | None, str | None]]:
    return [(record.error, record.error_detail) for record in result.records]


@contextmanager
def nghttpx(backend: str, folder: Path, *options: str, tls: bool) -> Iterator[int]:
    """nghttp2's proxy in front of a server, over HTTP/2."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    frontend = f"127.0.0.1,{port}" if tls else f"127.0.0.1,{port};no-tls"
    backend = backend.removeprefix("http://").removesuffix("/v1").replace(":", ",")
    command = [find("nghttpx"), "--conf=/dev/null", f"-f{frontend}", f"-b{backend}", "--workers=1", *options]
    with (folder / "nghttpx.log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            for _ in range(200):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


@needs("nghttpx")
class TestARealServer:
    def test_that_offers_nothing_else_by_tls_is_measured_without_an_option(self, tmp_path, monkeypatch):
        authority, certificate, key = trustme.CA(), tmp_path / "cert.pem", tmp_path / "key.pem"
        issued = authority.issue_cert("127.0.0.1")
        certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with (
            running_mock_server(Behaviour(ttft=0.05, itl=0.01)) as backend,
            nghttpx(backend, tmp_path, "--npn-list=h2", str(key), str(certificate), tls=True) as port,
        ):
            url = f"https://127.0.0.1:{port}/v1"
            assert only_model(Endpoint(url, "unknown")) == "mock"
            result = measured(url)

        assert errors(result) == [(None, None)] * 2
        assert result.level.http_version == "2"
        assert [record.output_tokens for record in result.records] == [8, 8]
        # The server may be late with a token, and early with none.
        assert all(record.last_token_ns - record.sent_ns >= 0.12e9 for record in result.records)
        assert result.metrics["ttft"].min >= 0.05

    def test_without_tls_needs_the_option(self, tmp_path):
        with (
            running_mock_server(Behaviour(ttft=0, itl=0)) as backend,
            nghttpx(backend, tmp_path, tls=False) as port,
        ):
            result = measured(f"http://127.0.0.1:{port}/v1", 5, http2=True)

        assert errors(result) == [(None, None)] * 5
        assert result.to_dict()["levels"][0]["http_version"] == "2"

    def test_that_offers_both_is_measured_over_http_1(self, tmp_path):
        with (
            running_mock_server(Behaviour(ttft=0, itl=0)) as backend,
            nghttpx(backend, tmp_path, tls=False) as port,
        ):
            assert measured(f"http://127.0.0.1:{port}/v1").level.http_version == "1.1"


Answer = Callable[[H2Connection, int], None]


class Server(ScriptedServer):
    """Speaks HTTP/2 without TLS; answers each request by a function."""

    def __init__(self, answer: Answer, settings: dict[SettingCodes, int]):
        self._answer, self._settings = answer, settings
        self.bodies: list[bytes] = []
        super().__init__([], keep=False, tls=None)

    def _serve(self, connection: socket.socket) -> None:
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.local_settings = Settings(client=False, initial_values=self._settings)
        h2.initiate_connection()
        bodies: dict[int, bytes] = {}
        with suppress(OSError), connection:
            connection.sendall(h2.data_to_send())
            while data := connection.recv(1 << 16):
                for event in h2.receive_data(data):
                    if isinstance(event, RequestReceived):
                        bodies[event.stream_id] = b""
                    elif isinstance(event, DataReceived):
                        bodies[event.stream_id] += event.data
                        h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, StreamEnded):
                        self.bodies.append(bodies[event.stream_id])
                        self._answer(h2, event.stream_id)
                connection.sendall(h2.data_to_send())


@contextmanager
def server(answer: Answer, **settings: int) -> Iterator[Server]:
    found = Server(answer, {SettingCodes[name.upper()]: value for name, value in settings.items()})
    yield found
    found.close()


def well(h2: H2Connection, stream: int) -> None:
    h2.send_headers(stream, HEAD)
    h2.send_data(stream, STREAM, end_stream=True)


class TestAServerThat:
    def test_gives_little_room_gets_the_whole_body_in_parts(self):
        with server(well, initial_window_size=50) as scripted:
            result = measured(scripted.url, http2=True)

        assert errors(result) == [(None, None)] * 2
        assert scripted.bodies[0].startswith(b"{")
        assert scripted.bodies[0].endswith(b"}")
        assert len(scripted.bodies[0]) > 100
        assert scripted.connections == 1

    def test_goes_away_after_an_answer_is_asked_over_another_connection(self):
        def leaves(h2: H2Connection, stream: int) -> None:
            well(h2, stream)
            h2.close_connection(last_stream_id=stream)

        with server(leaves) as scripted:
            assert errors(measured(scripted.url, http2=True)) == [(None, None)] * 2

        assert scripted.connections == 2

    def test_goes_away_during_an_answer_finishes_it(self):
        # h2's own state machine sends nothing after GOAWAY, so this frame is written by its bytes.
        def leaves(h2: H2Connection, stream: int) -> None:
            h2.send_headers(stream, HEAD)
            goaway = b"\0\0\x08\x07\0\0\0\0\0" + stream.to_bytes(4) + b"\0\0\0\0"
            before = h2.data_to_send() + goaway
            h2.send_data(stream, STREAM, end_stream=True)
            after = h2.data_to_send()
            h2._data_to_send += before + after

        with server(leaves) as scripted:
            assert errors(measured(scripted.url, http2=True)) == [(None, None)] * 2

        assert scripted.connections == 2

    @pytest.mark.parametrize(
        ("code", "begins", "error"),
        [
            (ErrorCodes.REFUSED_STREAM, False, "connect"),
            (ErrorCodes.INTERNAL_ERROR, True, "truncated"),
        ],
    )
    def test_resets_the_stream_fails(self, code, begins, error):
        def resets(h2: H2Connection, stream: int) -> None:
            if begins:
                h2.send_headers(stream, HEAD)
            h2.reset_stream(stream, code)

        with server(resets) as scripted:
            result = measured(scripted.url, 1, http2=True)

        assert errors(result) == [(error, f"the server reset the stream: {code.name}")]

    def test_sends_a_status_that_is_no_number_fails(self):
        def answers(h2: H2Connection, stream: int) -> None:
            h2.config.validate_outbound_headers = False
            h2.send_headers(stream, [(":status", "fine")], end_stream=True)

        with server(answers) as scripted:
            ((error, detail),) = errors(measured(scripted.url, 1, http2=True))

        assert (error, detail) == ("malformed", "the response is not HTTP: HTTP/2: :status: 'fine'")

    def test_allows_no_stream_fails(self):
        with server(well, max_concurrent_streams=0) as scripted:
            ((error, detail),) = errors(measured(scripted.url, 1, http2=True))

        assert (error, detail) == ("connect", "HTTP/2: Max outbound streams is 0, 0 open")

    def test_speaks_http_1_alone_is_a_connect_error(self):
        with running_mock_server(Behaviour(ttft=0, itl=0)) as url:
            assert errors(measured(url, 1, http2=True)) == [("connect", "the server speaks no HTTP/2")]
