"""HTTP/2, for servers that offer nothing else: https://www.rfc-editor.org/rfc/rfc9113, by the library h2.

Each connection carries one stream at a time, so that no response waits for another one's bytes, and figures
compare with those over HTTP/1.1. A client that shares one connection may wait longer. Frames are taken apart
after the clock was read, so that moments are as exact as over HTTP/1.1; only the processor has more to do.
"""

import asyncio
from collections.abc import Callable

import httptools
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from llm_measure.client.connection import Connection
from llm_measure.client.exchange import Exchange

# The largest, so that no server waits for permission to send.
WINDOW = 2**31 - 1
DEFAULT_WINDOW = 2**16 - 1
HEAD_BYTES = 9  # of a frame: length, type, flags, stream
GOAWAY = 7
LARGEST_FRAME = 1 << 14  # that this client allows
# Headers that mean one connection of HTTP/1.1.
NOT_SENT = frozenset((b"connection", b"host", b"keep-alive", b"proxy-authorization", b"transfer-encoding"))


class HTTP2Connection(Connection):
    """A connection over HTTP/2."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = _Frames(self, self._write)
        self._parser = self._frames  # type: ignore[assignment]
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Become ready to send, and say so."""
        super().connection_made(transport)
        is_secure = transport.get_extra_info("ssl_object") is not None
        self._write(self._frames.opening(b"https" if is_secure else b"http"))

    async def ready(self) -> None:
        """Wait for the server's settings, which say what it takes."""
        await self._ready

    def on_settings(self) -> None:
        """Be ready for requests."""
        if not self._ready.done():
            self._ready.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what waits for the server."""
        if not self._ready.done():
            self._ready.set_exception(ConnectionError("the server speaks no HTTP/2"))
        super().connection_lost(exc)

    def send(self, request: bytes) -> "asyncio.Future[Exchange]":
        """Send the request, which is one of HTTP/1.1."""
        try:
            return super().send(self._frames.request(request))
        except ProtocolError as error:  # such as a server that allows no stream
            ended = super().send(b"")
            self.fail("connect", f"HTTP/2: {error}")
            return ended

    def on_message_begin(self) -> None:
        """Note the first byte of a response, whose end is always marked."""
        super().on_message_begin()
        self._framed = True


class _Frames:
    """Takes frames apart, and calls the connection as httptools' parser of HTTP/1.1 does."""

    def __init__(self, connection: HTTP2Connection, write: Callable[[bytes], None]):
        self._connection = connection
        self._write = write
        config = H2Configuration(client_side=True, header_encoding=None)
        self._h2 = H2Connection(config)
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: DEFAULT_WINDOW,
            },
        )
        self._scheme = b"http"
        self._stream = 0  # the one in use
        self._unsent = b""  # what the server does not take yet of the request's body
        self._status = 0
        self._taken = 0  # bytes of the connection's window
        self._goes_away = False
        self._incomplete = b""  # frame

    def opening(self, scheme: bytes) -> bytes:
        """Return what opens the connection."""
        self._scheme = scheme
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW - DEFAULT_WINDOW)
        return self._h2.data_to_send()

    def request(self, request: bytes) -> bytes:
        """Return the frames of a request, as far as the server takes them now."""
        head, _, self._unsent = request.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        method, target, _ = first.split(b" ")
        fields = [(name.lower(), value) for name, value in (line.split(b": ", 1) for line in lines)]
        authority = next(value for name, value in fields if name == b"host")
        self._stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(
            self._stream,
            [
                (b":method", method),
                (b":scheme", self._scheme),
                (b":authority", authority),
                (b":path", target),
                *((name, value) for name, value in fields if name not in NOT_SENT),
            ],
            end_stream=not self._unsent,
        )
        self._send_body()
        return self._h2.data_to_send()

    def feed_data(self, data: bytes) -> None:
        """Take frames, and answer those that call for it; HttpParserError if they are none."""
        try:
            for event in self._h2.receive_data(self._without_goaway(self._incomplete + data)):
                self._take(event)
            self._send_body()
        except ProtocolError as error:
            raise httptools.HttpParserError(f"HTTP/2: {error}") from None
        if self._connection.is_open and (answer := self._h2.data_to_send()):
            self._write(answer)

    def get_status_code(self) -> int:
        """Return the response's status."""
        return self._status

    def should_keep_alive(self) -> bool:
        """Return whether the server takes another request."""
        return not self._goes_away

    def _without_goaway(self, data: bytes) -> bytes:
        """Return the complete frames that h2 may see; keep an incomplete one.

        A server that goes away still answers what it has taken, but h2 reads nothing after that frame.
        """
        frames, begin = [], 0
        while len(data) >= (head_end := begin + HEAD_BYTES):
            length = int.from_bytes(data[begin : begin + 3])
            if length > LARGEST_FRAME:
                raise ProtocolError(f"frame: {length} bytes; expected at most {LARGEST_FRAME}")
            if len(data) < head_end + length:
                break
            if data[begin + 3] == GOAWAY:
                self._go_away(data[head_end : head_end + length])
            else:
                frames.append(data[begin : head_end + length])
            begin = head_end + length
        self._incomplete = data[begin:]
        return b"".join(frames)

    def _go_away(self, payload: bytes) -> None:
        """Note that the server takes no other request, perhaps not even the one in flight."""
        self._goes_away = True
        last, code = int.from_bytes(payload[:4]) & WINDOW, int.from_bytes(payload[4:8])
        if not self._connection.is_waiting or last < self._stream:
            self._connection.fail("connect", f"the server goes away without an answer: {_name(code)}")

    def _take(self, event: Event) -> None:
        """Pass on what an event says of the connection or of the stream in use."""
        if isinstance(event, RemoteSettingsChanged):
            self._connection.on_settings()
        if getattr(event, "stream_id", None) != self._stream:
            return
        if isinstance(event, DataReceived):
            self._taken += event.flow_controlled_length or 0
            if event.data:
                self._connection.on_body(event.data)
        elif isinstance(event, ResponseReceived | InformationalResponseReceived):
            self._take_head(event.headers or [])
        elif isinstance(event, StreamEnded):
            self._unsent = b""
            self._give_window_back()
            self._connection.on_message_complete()
        elif isinstance(event, StreamReset):
            self._fail(event)

    def _take_head(self, fields: list[tuple[bytes, bytes]]) -> None:
        self._connection.on_message_begin()
        for name, value in fields:
            if name == b":status":
                if len(value) != 3 or not value.isdigit():
                    raise ProtocolError(f":status: {value.decode('latin-1')!r}")
                self._status = int(value)
            else:
                self._connection.on_header(name, value)
        self._connection.on_headers_complete()

    def _give_window_back(self) -> None:
        """Let the server send as much again; within one response the window is larger than any limit."""
        if self._taken:
            self._h2.increment_flow_control_window(self._taken)
            self._taken = 0

    def _send_body(self) -> None:
        """Send what the server takes of the body."""
        while self._unsent:
            window = self._h2.local_flow_control_window(self._stream)
            size = min(window, self._h2.max_outbound_frame_size, len(self._unsent))
            if size <= 0:
                return
            part, self._unsent = self._unsent[:size], self._unsent[size:]
            self._h2.send_data(self._stream, part, end_stream=not self._unsent)

    def _fail(self, event: StreamReset) -> None:
        """End the request; one that the server refused was never processed."""
        self._unsent = b""
        refused = event.error_code == ErrorCodes.REFUSED_STREAM
        detail = f"the server reset the stream: {_name(event.error_code)}"
        self._connection.fail("connect" if refused else "truncated", detail)


def _name(code: int | None) -> str:
    """Return the name of an error code."""
    names = {int(known): known.name for known in ErrorCodes}
    return names.get(code or 0, f"error {code}")
