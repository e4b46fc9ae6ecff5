"""gunicorn's threaded worker with buffers between clients and threads.

A thread gets only whole requests, and leaves when a response is made, so clients that send or read slowly
hold none. The main loop receives, sends, and disconnects clients whose time is up.
"""

import errno
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from webapp.client_socket import ClientSocket
from webapp.settings import LONGEST_BODY

LONGEST_HEAD = 1 << 16
# A chunked body is longer by the sizes of its chunks; the app refuses the rest.
LONGEST_REQUEST = LONGEST_HEAD + 2 * LONGEST_BODY
# The memory of one worker process for requests and responses.
MOST_HELD = 64 << 20
SWEEP_SECONDS = 0.25
NEVER = float("inf")


class Connection(TConn):
    """gunicorn's connection, with buffers, the events that the main loop waits for, and a deadline."""

    def __init__(self, cfg: Any, sock: ClientSocket, address: Any, server: Any):
        super().__init__(cfg, sock, address, server)
        self.data_ready = True
        self.events = 0
        self.keep = True
        self.lingers = False

    @property
    def is_idle(self) -> bool:
        """Whether a response was sent, and nothing of another request has been received."""
        return self.parser is not None and self.events == EVENT_READ and not self.sock.received


class Worker(ThreadWorker):
    """gunicorn's threaded worker, whose threads never wait for a client, except for exports."""

    # Answered by a separate thread, so that a queue of requests, or PostgreSQL, does not delay them.
    liveness_paths = frozenset({b"/healthz"})
    head_seconds = 10.0  # to send a head, from the connection's or the head's beginning
    body_seconds = 30.0  # to send a body
    response_seconds = 60.0  # to read the rest of a response after it was made
    stall_seconds = 30.0  # between two reads of an export
    linger_seconds = 2.0

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._connections: set[Connection] = set()
        self._next_sweep = 0.0

    def init_process(self) -> None:
        """Run the worker."""
        self._liveness_pool = ThreadPoolExecutor(1)
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept a connection; if there are as many as allowed, one that waits gives way."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._close_first(self._waiting())
            return
        if self.nr_conns >= self.worker_connections - 1:
            self._close_first(self._waiting())
        client = ClientSocket(sock, LONGEST_BODY, self.stall_seconds)
        conn = Connection(self.cfg, client, address, listener.getsockname())
        self._connections.add(conn)
        self.nr_conns += 1
        self._await_request(conn, self.head_seconds)

    def enqueue_req(self, conn: Connection) -> None:
        """Let a thread answer."""
        pool = self._liveness_pool if conn.sock.framing.reads(self.liveness_paths) else self.tpool
        future = pool.submit(self.handle, conn)
        future.add_done_callback(partial(self.method_queue.defer, self.finish_request, conn))

    def handle(self, conn: Connection) -> bool:
        """Answer a request, in a thread; return whether the connection may be reused."""
        try:
            return super().handle(conn)
        finally:
            conn.sock.end_response()

    def finish_request(self, conn: Connection, future: "Future[bool]") -> None:
        """Continue with a connection that a thread has answered."""
        client = conn.sock
        client.busy = False
        try:
            conn.keep = future.result() and not client.must_close
        except Exception:
            self._close(conn)
            return
        client.end(conn.parser.unreader.take_buffered() if conn.parser else b"")
        conn.timeout = time.monotonic() + self.response_seconds
        self._send(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """Disconnect the clients whose time is up, or all; the main loop calls this after each wait."""
        now = time.monotonic()
        if not force and now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for conn in self._waiting():
            if force or conn.timeout < now:
                self._expire(conn)

    def murder_pending(self) -> None:
        """Do nothing: `murder_keepalived` sees all connections."""

    def _cap_keepalive(self, deadline: float) -> None:
        """Close idle connections by then; gunicorn calls this when it stops."""
        for conn in self._waiting():
            if conn.events == EVENT_READ and not conn.sock.received:
                conn.timeout = min(conn.timeout, deadline)

    def _waiting(self) -> list[Connection]:
        return [conn for conn in self._connections if not conn.sock.busy]

    def _await_request(self, conn: Connection, seconds: float) -> None:
        conn.timeout = time.monotonic() + seconds
        self._watch(conn, EVENT_READ)

    def _watch(self, conn: Connection, events: int) -> None:
        """Wait for other events than before; 0 for none."""
        if conn.events == events:
            return
        if not events:
            self.poller.unregister(conn.sock)
        elif conn.events:
            self.poller.modify(conn.sock, events, partial(self._on_event, conn))
        else:
            self.poller.register(conn.sock, events, partial(self._on_event, conn))
        conn.events = events

    def _on_event(self, conn: Connection, client: ClientSocket) -> None:
        if client.busy:
            # A pipelined request, or the end of the stream: its turn comes after the response.
            self._watch(conn, 0)
        elif conn.events == EVENT_WRITE:
            self._send(conn)
        else:
            self._receive(conn)

    def _receive(self, conn: Connection) -> None:
        client = conn.sock
        had_bytes, had_head = bool(client.received), client.framing.has_head
        try:
            open_ = client.receive()
        except OSError:
            open_ = False
        if not open_:
            self._close(conn)
        elif conn.lingers:
            client.received.clear()
        elif client.framing.is_whole or len(client.received) > LONGEST_REQUEST:
            self._answer(conn)
        elif not client.framing.has_head and len(client.received) > LONGEST_HEAD:
            self._refuse(conn, 431 if b"\n" in client.received else 414, "Head of the request too long")
        elif len(client.received) > LONGEST_HEAD and self._held() > MOST_HELD:
            self._refuse(conn, 503, "Too many requests with large bodies; try again in a moment")
        elif client.framing.has_head and not had_head:
            self._await_body(conn)
        elif client.received and not had_bytes:
            conn.timeout = min(conn.timeout, time.monotonic() + self.head_seconds)

    def _held(self) -> int:
        return sum(conn.sock.held_bytes for conn in self._connections)

    def _await_body(self, conn: Connection) -> None:
        self._await_request(conn, self.body_seconds)
        if conn.sock.framing.expects_continue:
            with suppress(OSError):
                conn.sock.invite_body()

    def _answer(self, conn: Connection) -> None:
        conn.timeout = NEVER
        conn.sock.begin()
        self.enqueue_req(conn)

    def _send(self, conn: Connection) -> None:
        """Send the rest of a response; then wait for the next request, or close."""
        try:
            if not conn.sock.flush():
                self._await_reading(conn)
            elif not conn.keep:
                self._linger(conn)
            elif conn.sock.framing.is_whole:
                self._answer(conn)
            elif conn.sock.framing.has_head:
                self._await_body(conn)
            else:
                self._await_request(conn, self.head_seconds if conn.sock.received else self.cfg.keepalive)
        except OSError:
            self._close(conn)

    def _await_reading(self, conn: Connection) -> None:
        if conn.events == EVENT_WRITE:
            return
        self._watch(conn, EVENT_WRITE)
        if self._held() > MOST_HELD:
            self._close_first([conn for conn in self._waiting() if conn.events == EVENT_WRITE])

    def _linger(self, conn: Connection) -> None:
        """End the stream and discard what still comes, since a reset could destroy the response."""
        conn.sock.shutdown(socket.SHUT_WR)
        conn.lingers = True
        self._await_request(conn, self.linger_seconds)

    def _expire(self, conn: Connection) -> None:
        if conn.events == EVENT_READ and conn.sock.received and not conn.lingers:
            self._refuse(conn, 408, "Request not received in time")
        else:
            self._close(conn)

    def _refuse(self, conn: Connection, code: int, message: str) -> None:
        conn.sock.received.clear()
        conn.keep = False
        with suppress(OSError):
            util.write_error(conn.sock, code, "", message)
            conn.sock.end_response()
        self._send(conn)

    def _close_first(self, candidates: list[Connection]) -> None:
        """Close an idle connection, else the one whose time is up first."""
        if candidates:
            self._close(min(candidates, key=lambda conn: (not conn.is_idle, conn.timeout)))

    def _close(self, conn: Connection) -> None:
        if conn not in self._connections:
            return  # It gave way to another connection before its own event of the same wait.
        self._watch(conn, 0)
        self._connections.remove(conn)
        self.nr_conns -= 1
        conn.close()
