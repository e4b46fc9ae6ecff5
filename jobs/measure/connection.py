"""One HTTP/1.1 connection of the client: while an answer comes, it reads the clock and keeps the bytes."""

import asyncio
import contextlib
import os
from time import monotonic_ns

import httptools

# What this machine may take to see that a connection has ended, besides the way from the server.
LEAST_STALE_NS = 50_000_000


class Exchange:
    """A request that was sent, and what came back, not yet understood. Moments in ns, monotonic."""

    __slots__ = (
        "content_type", "detail", "end_ns", "failure", "first_byte_ns", "parts", "sent_ns", "stale_ns",
        "status", "times",
    )  # fmt: skip

    def __init__(self, sent_ns: int, stale_ns: int):
        self.sent_ns = sent_ns
        self.stale_ns = stale_ns  # how soon the end of a connection that was kept is heard of
        self.first_byte_ns: int | None = None
        self.end_ns = 0
        self.status: int | None = None
        self.content_type = b""
        self.parts: list[bytes] = []  # of the body
        self.times: list[int] = []  # of each part
        self.failure: str | None = None  # an error class, if the transfer itself failed
        self.detail: str | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the server had ended a kept connection before the request came, so that it saw none.

        Its end was then on the way already. One that comes later is that of a request taken and dropped.
        """
        return self.failure == "connect" and self.end_ns - self.sent_ns < self.stale_ns

    @property
    def looks_right(self) -> bool:
        """Whether a stream came, as far as can be told without reading it."""
        return self.failure is None and self.status == 200 and b"event-stream" in self.content_type


class Connection(asyncio.Protocol):
    """Sends one request at a time and waits for its answer's end."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._number: int | None = None  # of the socket, if it is read by another than the transport
        self._exchange: Exchange | None = None  # while it is under way
        self._last: Exchange
        self._answered: asyncio.Future[Exchange] | None = None
        self._now = 0
        self._framed = False  # whether the answer says where it ends
        self._headed = False
        self._reused = False
        self.opened_in_ns = 0  # at least once to the server and back
        self.is_open = False

    def ask(self, request: bytes) -> "asyncio.Future[Exchange]":
        """Send the request; the future is done when the answer has ended or failed, and never raises."""
        self._answered = asyncio.get_running_loop().create_future()
        self._framed = self._headed = False
        stale_ns = max(self.opened_in_ns, LEAST_STALE_NS) if self._reused else 0
        self._exchange = self._last = Exchange(monotonic_ns(), stale_ns)
        self._reused = True
        self._write(request)
        return self._answered

    def _write(self, request: bytes) -> None:
        """At once if it can be, where the transport would wait for the loop's next turn."""
        sent = 0
        if self._number is not None:
            with contextlib.suppress(OSError):  # the transport will meet it, too, and tell
                sent = os.write(self._number, request)
        if sent < len(request):
            self._transport.write(request[sent:])

    def fail(self, failure: str, detail: str) -> None:
        """End the request under way, if any, and the connection."""
        self.close()
        self._end(failure, detail)

    def abandon(self) -> Exchange:
        """What has come of the last request, whose future was cancelled; it ends so if it has not ended."""
        self.fail("cancelled", "stopped while it was under way")
        return self._last

    def close(self) -> None:
        """Ask nothing more."""
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to ask; called again once TLS stands inside a proxy's tunnel."""
        self._transport = transport  # type: ignore[assignment]
        self.is_open = True

    def read_by_another(self) -> int | None:
        """Let the transport read no more; the socket's number, or None if TLS is between."""
        if self._transport.get_extra_info("ssl_object") is None:
            self._transport.pause_reading()
            self._number = self._transport.get_extra_info("socket").fileno()
        return self._number

    def data_received(self, data: bytes) -> None:
        """What the transport has read."""
        self.received(data, monotonic_ns())

    def received(self, data: bytes, moment: int) -> None:
        """The hot path: the moment is kept, and the parser calls `on_body`."""
        self._now = moment
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail("malformed", "the endpoint switches to another protocol")
        except httptools.HttpParserError as error:
            self.fail("malformed", f"the answer is not HTTP: {error}")

    def on_body(self, body: bytes) -> None:
        """A part of the body, kept as it is."""
        exchange = self._exchange
        if exchange is not None:
            exchange.times.append(self._now)
            exchange.parts.append(body)

    def on_message_begin(self) -> None:
        """The first byte of an answer; one that nobody asked for ends the connection."""
        if self._exchange is None:
            self.close()
        elif self._exchange.first_byte_ns is None:
            self._exchange.first_byte_ns = self._now

    def on_header(self, name: bytes, value: bytes) -> None:
        """What says where the body ends, and what it is."""
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif self._exchange is not None and name == b"content-type":
            self._exchange.content_type = value
        elif self._exchange is not None and name == b"location":
            self._exchange.detail = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The status is known."""
        self._headed = True
        if self._exchange is not None:
            self._exchange.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        """The answer has ended."""
        if self._exchange is None or (self._exchange.status or 0) < 200:  # 100 Continue and its like
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._end(None, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Right if the answer is one that ends so; else it is cut, or never began."""
        self.is_open = False
        if self._exchange is None:
            return
        self._now = monotonic_ns()
        why = f": {exc}" if exc else ""
        if self._headed and not self._framed and exc is None:
            self._end(None, None)
        elif self._exchange.first_byte_ns is not None:
            self._end("truncated", f"the connection ended in the middle of the answer{why}")
        else:
            self._end("connect", f"the connection ended before an answer{why}")

    def _end(self, failure: str | None, detail: str | None) -> None:
        exchange, answered = self._exchange, self._answered
        if exchange is None or answered is None:
            return
        self._exchange = self._answered = None
        exchange.end_ns = self._now if failure is None else monotonic_ns()
        exchange.failure = failure
        exchange.detail = detail or exchange.detail
        if not answered.done():
            answered.set_result(exchange)
