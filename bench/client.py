"""A small HTTP/1.1 client on raw sockets, so that the servers, not the client, use up the machine."""

import re
import selectors
import socket
import time
from dataclasses import dataclass

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
CLOSING = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)
TIMEOUT = 30


class Client:
    """One connection that asks the same question again and again; kept alive if the server lets it."""

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
        """Take what has come; the answer, head and body, once it is whole. Raises unless it is a 200."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the server closed the connection in the middle of an answer")
        self._received += part
        end = self._received.find(b"\r\n\r\n") + 4
        length = CONTENT_LENGTH.search(self._received, 0, end)
        if not length or len(self._received) < end + int(length[1]):
            return None
        if not self._received.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"unexpected answer: {self._received!r}")
        return self._received

    def ask(self) -> bytes:
        """Send one request and wait for its answer."""
        self.send()
        while (answer := self.receive()) is None:
            pass
        self.reconnect_if_closing(answer)
        return answer

    def reconnect_if_closing(self, answer: bytes) -> bool:
        """Connect anew if the answer said that the connection ends with it."""
        if not CLOSING.search(answer):
            return False
        self.socket.close()
        self.socket = self._connect()
        return True

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


@dataclass(frozen=True)
class Load:
    """What came of a load: answers per second, and the latency of each in seconds."""

    rate: float
    latencies: list[float]


def load(clients: list[Client], duration: float) -> Load:
    """Keep a request of every client under way for `duration` seconds."""
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
            if (answer := client.receive()) is None:
                continue
            latencies.append(time.perf_counter() - sent.pop(client))
            selector.unregister(key.fileobj)
            client.reconnect_if_closing(answer)
            if time.perf_counter() < start + duration:
                selector.register(client.socket, selectors.EVENT_READ, client)
                ask(client)
    return Load(len(latencies) / (time.perf_counter() - start), latencies)
