"""One HTTP/1.1 connection of the client: while a response arrives, it reads the clock and keeps the bytes."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from time import monotonic_ns

import httptools

from llm_measure.client.exchange import Exchange
from llm_measure.client.limits import (
    MAX_BARE_BYTES,
    MAX_LEVEL_BYTES,
    MAX_RESPONSE_BYTES,
    MIB,
    PART_BYTES,
    Memory,
)

# How long the framing's end may follow the stream's end, in s; a connection that stays open longer is closed.
LINGER_S = 0.02
# What follows the stream's end in a read: its blank line, and that of a chunk.
BLANK_LINES = (b"\n\n\r\n", b"\n\n", b"\r\n\r\n\r\n", b"\r\n\r\n")
# What this machine may take to notice that a connection has ended, in addition to the way from the server.
MIN_STALE_NS = 50_000_000


class Connection(asyncio.Protocol):
    """Sends one request at a time and waits for the end of its response."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._socket: socket.socket | None = None  # if the poller reads it instead of the transport
        self._exchange: Exchange | None = None  # the one in flight
        self._last: Exchange
        self._ended: asyncio.Future[Exchange] | None = None
        self._now = 0
        self._of_read = 0  # number of parts of the body in the read
        self._since = 0  # since when those before the last may have come
        self._framed = False  # whether the response says where it ends
        self._headed = False  # whether its head is complete, interim responses apart
        self._reused = False
        self._arrived = 0  # bytes since the request was sent or the response ended
        self._check_at = MAX_BARE_BYTES  # how many of them call for the next look at the limits
        self._parts = 0  # of the body at the last look
        self.expect(None)
        self.memory = Memory()  # shared by the connections of a client
        self.opened_in_ns = 0  # at least one round trip
        # Returns since when the parts of a read before the last may have come; the argument is its moment.
        self.since: Callable[[int], int] = lambda moment: moment
        self.is_open = False
        self.lost_by: Exception | None = None  # why a connection ended that no request used

    @property
    def is_waiting(self) -> bool:
        """Whether a request is in flight."""
        return self._exchange is not None

    async def ready(self) -> None:
        """Wait until a request may be sent; ConnectionError if none may be."""

    @property
    def agreed(self) -> str | None:
        """The protocol that TLS agreed on; None if the server agrees on none, or without TLS."""
        secured = self._transport.get_extra_info("ssl_object")
        return secured.selected_alpn_protocol() if secured else None

    def expect(self, end: bytes | None) -> None:
        """Take an event with this data for the end of a stream; None: only the body's end is one."""
        self._end_data = end or b""
        self._ends = tuple(end + blank for blank in BLANK_LINES) if end else ()

    def send(self, request: bytes) -> "asyncio.Future[Exchange]":
        """Send the request; the future is done when the response has ended or failed, and never raises."""
        self._ended = asyncio.get_running_loop().create_future()
        self._headed = False
        self._arrived, self._check_at, self._parts = 0, MAX_BARE_BYTES, 0
        stale_ns = max(self.opened_in_ns, MIN_STALE_NS) if self._reused else 0
        self._now = monotonic_ns()
        self._exchange = self._last = Exchange(self._now, stale_ns)
        self._reused = True
        self._write(request)
        return self._ended

    def _write(self, request: bytes) -> None:
        """Write immediately if possible, where the transport would wait for the loop's next iteration."""
        sent = 0
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the transport runs into it, too, and reports it
                sent = self._socket.send(request)
        if sent < len(request):
            self._transport.write(request[sent:])

    def fail(self, failure: str, detail: str) -> None:
        """End the request in flight, if any, and the connection."""
        self.close()
        self._end(failure, detail)

    def abandon(self) -> Exchange:
        """Return what came of the last request, whose future was cancelled; ends it if it has not ended."""
        self.fail("cancelled", "stopped while in flight")
        return self._last

    def close(self) -> None:
        """Close the connection."""
        self._let_go()
        self._transport.abort()

    def _let_go(self) -> None:
        self.is_open = False
        if self._socket is not None:  # the transport closes it
            self._socket.detach()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Become ready to send; called again once TLS is established inside a proxy's tunnel."""
        self._transport = transport  # type: ignore[assignment]
        self.is_open = True

    def hand_over(self) -> socket.socket | None:
        """Let the poller read instead of the transport; return the socket, or None with TLS."""
        if self._transport.get_extra_info("ssl_object") is None:
            self._transport.pause_reading()
            self._socket = socket.socket(fileno=self._transport.get_extra_info("socket").fileno())
        return self._socket

    def data_received(self, data: bytes) -> None:
        """Take what the transport has read."""
        self.received(data, monotonic_ns())

    def received(self, data: bytes, moment: int) -> None:
        """Keep the moment and feed the parser, which calls `on_body`: the hot path."""
        if moment > self._now:  # noqa: PLR1730  (max() takes three times as long)
            self._now = moment
        self._arrived += len(data)
        self._of_read = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail("malformed", "the endpoint switches to another protocol")
        except httptools.HttpParserError as error:
            self.fail("malformed", f"the response is not HTTP: {error}")
        if data.endswith(self._ends):
            self._linger()
        if self._arrived > self._check_at:
            self._check_limits()

    def _linger(self) -> None:
        """Wait a little for the end of a body whose stream has ended, if that is what has come."""
        exchange = self._exchange
        if exchange is None:
            return
        last = b"".join(exchange.parts[-3:]).rstrip()
        if last.endswith((b"data: " + self._end_data, b"data:" + self._end_data)):
            asyncio.get_running_loop().call_later(LINGER_S, self._end_open_body, exchange)

    def _end_open_body(self, exchange: Exchange) -> None:
        if self._exchange is exchange:
            self.fail("truncated", "the response stayed open after the end of its stream")

    def _check_limits(self) -> None:
        """End an exchange that exceeds a limit, and forget what it has brought; called every 64 KiB."""
        exchange = self._exchange
        if exchange is None:  # nobody asked for this
            self.close()
            return
        parts = len(exchange.parts)
        self._account(exchange)
        if parts == self._parts:
            excess = f"{MAX_BARE_BYTES} bytes of headers or framing without content; expected fewer"
        elif exchange.size > MAX_RESPONSE_BYTES:
            excess = f"more than {MAX_RESPONSE_BYTES // MIB} MiB in memory; expected a smaller one"
        elif self.memory.left < 0:
            excess = f"with others more than {MAX_LEVEL_BYTES // MIB} MiB in memory; expected smaller ones"
        else:
            self._parts, self._check_at = parts, self._arrived + MAX_BARE_BYTES
            return
        self.fail("malformed", f"response: {excess}")
        self.memory.left += exchange.size
        exchange.parts, exchange.times, exchange.shared, exchange.size = [], [], {}, 0

    def _account(self, exchange: Exchange) -> None:
        """Bring the exchange's size up to date."""
        size = self._arrived + PART_BYTES * len(exchange.parts)
        self.memory.left -= size - exchange.size
        exchange.size = size

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body as it is."""
        exchange = self._exchange
        if exchange is not None:
            if self._of_read:
                if self._of_read == 1:
                    self._since = self.since(self._now)
                exchange.shared[len(exchange.times) - 1] = self._since
            self._of_read += 1
            exchange.times.append(self._now)
            exchange.parts.append(body)

    def on_message_begin(self) -> None:
        """Note the first byte of a response; one that nobody asked for ends the connection."""
        if self._exchange is None:
            self.close()
        elif self._exchange.first_byte_ns is None:
            self._exchange.first_byte_ns = self._now
        self._framed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note where the body ends, and what it is; trailers say nothing about either."""
        if self._headed:
            return
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif self._exchange is not None and name == b"content-type":
            self._exchange.content_type = value
        elif self._exchange is not None and name == b"content-encoding":
            self._exchange.encoding = value
        elif self._exchange is not None and name == b"retry-after":
            self._exchange.retry_after = value
        elif self._exchange is not None and name == b"retry-after-ms":
            self._exchange.retry_after_ms = value
        elif self._exchange is not None and name == b"location":
            self._exchange.detail = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the status, and whether it is the final one."""
        status = self._parser.get_status_code()
        self._headed = status >= 200  # 100 Continue and the like precede the response
        if self._exchange is not None:
            self._exchange.status = status
        if not 100 <= status <= 599:
            self.fail("malformed", f"status {status}: unknown; expected 100 to 599")

    def on_message_complete(self) -> None:
        """End the exchange."""
        if self._exchange is None or not self._headed:
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._end(None, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange: well if that is how the response ends, else it is cut off, or never began."""
        self._let_go()
        if self._exchange is None:
            self.lost_by = exc
            return
        self._now = monotonic_ns()
        why = f": {exc}" if exc else ""
        if self._headed and not self._framed and exc is None:
            self._end(None, None)
        elif self._exchange.first_byte_ns is not None:
            self._end("truncated", f"the connection ended in the middle of the response{why}")
        else:
            # With TLS 1.3, a server refuses a client's certificate only after the handshake.
            failure = "tls" if type(exc) is ssl.SSLError else "connect"
            self._end(failure, f"the connection ended before a response{why}")

    def _end(self, failure: str | None, detail: str | None) -> None:
        exchange, ended = self._exchange, self._ended
        if exchange is None or ended is None:
            return
        self._account(exchange)
        self._exchange = self._ended = None
        self._arrived, self._check_at = 0, MAX_BARE_BYTES
        exchange.end_ns = self._now if failure is None else monotonic_ns()
        exchange.failure = failure
        exchange.detail = detail or exchange.detail
        if not ended.done():
            ended.set_result(exchange)
