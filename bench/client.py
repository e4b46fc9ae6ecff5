"""A small HTTP/1.1 client on raw sockets, which leaves the processor to the servers."""

import re
import selectors
import socket
import time
from dataclasses import dataclass

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
CLOSING = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)
TIMEOUT = 30


class Client:
    """One connection that repeats the same request; reused if the server keeps it alive."""

    def __init__(self, port: int, path: str, key: str):
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {key}\r\n\r\n".encode()
        self._received = b""
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self) -> None:
        """Send one request."""
        self._received = b""
        self.socket.sendall(self._request)

    def receive(self) -> bytes | None:
        """Read available bytes; return the whole response, head and body, once it is complete, else None.

        Raises RuntimeError unless its status is 200, ConnectionError if the connection closes early.
        """
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("connection closed before the end of a response")
        self._received += part
        end = self._received.find(b"\r\n\r\n") + 4
        length = CONTENT_LENGTH.search(self._received, 0, end)
        if not length or len(self._received) < end + int(length[1]):
            return None
        if not self._received.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"unexpected response: {self._received!r}")
        return self._received

    def ask(self) -> bytes:
        """Send one request and return its response."""
        self.send()
        while (response := self.receive()) is None:
            pass
        self.reconnect_if_closing(response)
        return response

    def reconnect_if_closing(self, response: bytes) -> bool:
        """Reconnect if the response closes the connection; return whether it does."""
        if not CLOSING.search(response):
            return False
        self.socket.close()
        self.socket = self._connect()
        return True

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


@dataclass(frozen=True)
class Load:
    """The result of a load: responses per second, and the latency of each in seconds."""

    rate: float
    latencies: list[float]


def load(clients: list[Client], duration: float) -> Load:
    """Keep one request per client in flight for `duration` seconds."""
    selector = selectors.DefaultSelector()
    sent: dict[Client, float] = {}
    latencies: list[float] = []
    start = time.perf_counter()

    def ask(client: Client) -> None:
        client.send()
        sent[client] = time.perf_counter()

    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        ask(client)
    while sent:
        for key, _ in selector.select(TIMEOUT):
            client = key.data
            if (response := client.receive()) is None:
                continue
            latencies.append(time.perf_counter() - sent.pop(client))
            selector.unregister(key.fileobj)
            client.reconnect_if_closing(response)
            if time.perf_counter() < start + duration:
                selector.register(client.socket, selectors.EVENT_READ, client)
                ask(client)
    return Load(len(latencies) / (time.perf_counter() - start), latencies)
