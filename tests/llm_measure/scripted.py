"""Servers that send what a test scripts, byte for byte."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

# Bytes to send, seconds to wait, what to call, or steps, which may be without end.
Step = bytes | float | Callable[[], object] | Iterable["Step"]


class ScriptedServer:
    """Answers each request by the same steps, then keeps or closes the connection; listens on 127.0.0.1."""

    def __init__(self, steps: Sequence[Step], keep: bool, tls: ssl.SSLContext | None):
        self._steps, self._keep, self._tls = steps, keep, tls
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), connection:
            if self._tls is None:
                self._respond(connection)
            else:
                self._respond_secured(connection, self._tls)

    def _respond_secured(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        with tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
            try:
                secured.do_handshake()
            except ssl.SSLError:
                # A connection that is closed while a request is unread is reset, and the alert lost.
                secured.shutdown(socket.SHUT_WR)
                while secured.recv(65536):
                    pass
                raise
            self._respond(secured)

    def _respond(self, connection: socket.socket) -> None:
        while request := read_request(connection):
            self.requests.append(request)
            self._take(self._steps, connection)
            if not self._keep:
                return

    def _take(self, steps: Iterable[Step], connection: socket.socket) -> None:
        for step in steps:
            if isinstance(step, bytes):
                connection.sendall(step)
            elif isinstance(step, float):
                time.sleep(step)
            elif callable(step):
                step()
            else:
                self._take(step, connection)


def read_request(connection: socket.socket) -> bytes:
    """Read a request, head and body; empty at the connection's end."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return b""
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def scripted(*steps: Step, keep: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    server = ScriptedServer(steps, keep, tls)
    yield server
    server.close()


def head(status: str = "200 OK", kind: str = "text/event-stream", *more: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"content-type: {kind}", *more, "\r\n"]).encode()


def whole(body: bytes, status: str = "200 OK", kind: str = "text/event-stream", *more: str) -> bytes:
    """A response with its length."""
    return head(status, kind, f"content-length: {len(body)}", *more) + body


def chunked(*pieces: bytes) -> list[bytes]:
    """The pieces of a body, each as an HTTP chunk, and the last chunk."""
    return [*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]
