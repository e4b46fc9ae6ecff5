"""A client's connection as gunicorn's threads see it: with a whole request received, and never blocking.

The worker's main loop receives a request before a thread gets it, and sends what the client has not read of
the response after the thread has left. So a slow client costs memory, not a thread.
"""

import errno
import os
import select
import socket
from collections import deque
from typing import BinaryIO

from httptools import (
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
    parse_url,
)

RECEIVE_BYTES = 1 << 16
SENDFILE_BYTES = 1 << 20
# The kernel would keep up to 4 MiB for each client that does not read.
KERNEL_BUFFER_BYTES = 1 << 17
# The thread of a response of unknown length, as of an export, waits while more than this is unsent.
MOST_UNSENT = 1 << 20


class WholeRequest(Exception):
    """Stops the parser, which would continue with the next request."""


class Framing:
    """Finds the end of a request. What the request means is left to gunicorn's parser."""

    def __init__(self, longest_body: int):
        self.has_head = self.is_whole = self.expects_continue = False
        self._url = b""
        self._longest_body = longest_body
        self._has_long_body = False
        self._parser = HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Read on; a malformed request counts as whole, so that gunicorn refuses it."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.is_whole = True

    def reads(self, paths: frozenset[bytes]) -> bool:
        """Return whether this is a GET or HEAD of one of the paths, alone or in an absolute URL."""
        if self._parser.get_method() not in (b"GET", b"HEAD"):
            return False
        try:
            return parse_url(self._url).path in paths
        except HttpParserInvalidURLError:
            return False

    def on_url(self, url: bytes) -> None:
        """Add a part of the URL."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the headers that decide what to wait for."""
        name = name.lower()
        if name == b"content-length":
            self._has_long_body = int(value) > self._longest_body
        elif name == b"expect":
            self.expects_continue = True

    def on_headers_complete(self) -> None:
        """Wait for the body, unless it is too long: the app refuses that without reading it."""
        self.has_head = True
        if self._has_long_body:
            raise WholeRequest

    def on_message_complete(self) -> None:
        """Stop at the end of the first request."""
        raise WholeRequest


class FilePart:
    """A part of a file that is to be sent, without reading it into memory."""

    held = 0

    def __init__(self, file: BinaryIO, offset: int, count: int):
        self._descriptor = os.dup(file.fileno())
        self._offset = offset
        self.left = count

    def send(self, sock: socket.socket) -> int:
        """Send what the client takes; return the memory freed. Raises BlockingIOError if that is nothing."""
        sent = os.sendfile(sock.fileno(), self._descriptor, self._offset, min(self.left, SENDFILE_BYTES))
        if not sent:
            raise ConnectionResetError(errno.ECONNRESET, "file truncated")
        self._offset += sent
        self.left -= sent
        return 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class BytesPart:
    """Bytes that are to be sent."""

    def __init__(self, data: bytes):
        self._data = memoryview(data)
        self.left = self.held = len(data)

    def send(self, sock: socket.socket) -> int:
        """Send what the client takes; return the memory freed. Raises BlockingIOError if that is nothing."""
        sent = sock.send(self._data)
        self._data = self._data[sent:]
        self.left -= sent
        return self.held if not self.left else 0

    def close(self) -> None:
        """Do nothing; there is nothing to close."""


class ClientSocket:
    """A client's socket with buffers; gunicorn calls recv, sendall, sendfile, shutdown and close.

    While `busy`, it belongs to the thread that answers, else to the main loop.
    """

    def __init__(self, sock: socket.socket, longest_body: int, stall_seconds: float):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
        self._sock = sock
        self._longest_body = longest_body
        self._stall_seconds = stall_seconds
        self._request = b""
        self._position = 0
        self._head: bytes | None = None
        self._is_export = False
        self._unsent: deque[BytesPart | FilePart] = deque()
        self._unsent_bytes = 0
        self.busy = False
        # Set by the thread if the connection cannot be reused.
        self.must_close = False
        self.received = bytearray()
        self.framing = Framing(longest_body)

    def fileno(self) -> int:
        """Return the descriptor, for selectors."""
        return self._sock.fileno()

    @property
    def held_bytes(self) -> int:
        """The memory that the client occupies."""
        return len(self.received) + len(self._request) + self._unsent_bytes

    def receive(self) -> bool:
        """Receive what has arrived; return False at the end of the stream. Raises OSError."""
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return True
        self.received += data
        self.framing.feed(data)
        return bool(data)

    def invite_body(self) -> None:
        """Send what a client waits for that has asked whether to send its body. Raises OSError."""
        self._sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def begin(self) -> None:
        """Give what has been received to the thread that answers it."""
        self.busy = True
        self._request, self._position = bytes(self.received), 0
        self.received.clear()

    def end(self, unparsed: bytes) -> None:
        """Take back what belongs to the next request; gunicorn has read, but not parsed, its first bytes."""
        self.received += unparsed + self._request[self._position :]
        self._request = b""
        self.framing = Framing(self._longest_body)
        if self.received:
            self.framing.feed(bytes(self.received))

    def recv(self, size: int) -> bytes:
        """Return the next bytes of the request, b"" after its last."""
        data = self._request[self._position : self._position + size]
        self._position += len(data)
        if not data:
            self.must_close = True
        return data

    def send(self, data: bytes) -> int:
        """Send nothing: gunicorn only sends "100 Continue" in this way, see `invite_body`."""
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Send a response's head together with its first bytes, and its other parts as they come.

        Waits while much of an export is unsent; raises ConnectionResetError if the client then reads nothing
        for a while.
        """
        if self._head is None:
            self._head = data
            self._is_export = b"\r\ncontent-length: " not in data.lower()
        else:
            self._add(BytesPart(self._head + data))

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Send a part of a file."""
        self.sendall(b"")
        self._add(FilePart(file, offset, count))

    def _add(self, part: BytesPart | FilePart) -> None:
        self._head = b""
        is_blocked = bool(self._unsent)
        self._append(part)
        if is_blocked and not self._is_export:
            return  # The main loop sends it when the client reads.
        while not self.flush() and self._is_export and self.held_bytes > MOST_UNSENT:
            poll = select.poll()
            poll.register(self._sock, select.POLLOUT)
            if not poll.poll(self._stall_seconds * 1000):
                self._discard_unsent()
                raise ConnectionResetError(errno.ECONNRESET, "client does not read")

    def _append(self, part: BytesPart | FilePart) -> None:
        self._unsent.append(part)
        self._unsent_bytes += part.held

    def end_response(self) -> None:
        """Send what the client takes of a whole response. Raises OSError."""
        if self._head:
            self._append(BytesPart(self._head))
        self._head = None
        self.flush()

    def flush(self) -> bool:
        """Send what the client takes without waiting; return whether nothing is left. Raises OSError."""
        try:
            while self._unsent:
                self._unsent_bytes -= self._unsent[0].send(self._sock)
                if not self._unsent[0].left:
                    self._unsent.popleft().close()
        except BlockingIOError:
            return False
        return True

    def setblocking(self, _flag: bool) -> None:
        """Do nothing: the socket never blocks."""

    settimeout = setblocking

    def shutdown(self, how: int) -> None:
        """End the stream to the client; a thread leaves that to the main loop. Raises OSError."""
        if not self.busy:
            self._sock.shutdown(how)

    def close(self) -> None:
        """Close the connection; what is unsent is lost. A thread leaves that to the main loop."""
        if self.busy:
            self.must_close = True
            return
        self._discard_unsent()
        self._sock.close()

    def _discard_unsent(self) -> None:
        while self._unsent:
            self._unsent.popleft().close()
        self._unsent_bytes = 0
