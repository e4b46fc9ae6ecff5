"""gunicorn's worker: clients that send or read slowly hold no thread, and are disconnected in time."""

import select
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime

import pytest

from tests.factories import add_run
from tests.support import KEY, query
from tests.web import QUICK, RANKINGS, assert_error, serving, show_run, wait_until
from webapp.store import connect, partitions, points

CLIENTS = 200
SECONDS = 1
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
FORM = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
POINTS = "/api/v1/benchmarks/points?from=2026-10-24T00:00:00Z&to=2026-10-25T00:00:00Z"
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
SCRIPT = "/docs/swagger-ui-bundle.js"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\n\r\n".encode()


# What each client sends first, and then repeats while the test runs.
SENDERS = {
    "nothing": (b"", b""),
    "half a head": (HEAD, b""),
    "a head, byte by byte": (HEAD + b"X: ", b"x"),
    "no body after its length": (FORM + b"Content-Length: 1000\r\n\r\n", b""),
    "a body, byte by byte": (FORM + b"Content-Length: 1000\r\n\r\n", b"x"),
    "half a chunk": (FORM + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b""),
    "requests without end": (get("/healthz"), get("/healthz")),
}
UNREAD = {
    "the specification": get("/openapi.json"),
    "a file": get(SCRIPT),
    "most of a file": get(SCRIPT).replace(b"Host", b"Range: bytes=1-\r\nHost", 1),
    "an export": get(POINTS),
    "pipelined requests": get("/openapi.json") * 20,
}


@pytest.fixture
def server(environment, folder):
    with serving(environment, folder, WEB_CONCURRENCY="1") as server:
        yield server


@pytest.fixture
def quick(environment, folder):
    """A server whose time limits are all one second."""
    with serving(environment, folder, *QUICK, WEB_CONCURRENCY="1") as server:
        yield server


@contextmanager
def client(server, sent=b"", *, reads=True):
    """Connect and send; a client that does not read has a small buffer."""
    with socket.socket() as connection:
        if not reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(sent)
        yield connection


@contextmanager
def repeating(connections, data):
    """Send the data on all connections, ten times a second."""
    stopped = threading.Event()

    def send():
        while not stopped.wait(0.1):
            for connection in connections:
                with suppress(OSError):
                    connection.send(data)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def assert_answers(server):
    for path in ("/healthz", RANKINGS):
        start = time.monotonic()
        assert server.request(path).status == 200
        assert time.monotonic() - start < SECONDS, path


def received(connection) -> bytes:
    """Return all bytes until the server closes the connection."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def store_points(conn, count):
    slot = datetime(2026, 10, 24, 12, tzinfo=UTC)
    with conn:
        partitions.ensure(conn, slot.date())
        points.copy(conn, [points.encode(slot, add_run(conn, slot), 1, [1.0] * count)])


@pytest.mark.parametrize("sent", SENDERS)
def test_the_api_answers_while_200_clients_send(server, sent):
    first, then = SENDERS[sent]
    with ExitStack() as stack:
        clients = [stack.enter_context(client(server, first)) for _ in range(CLIENTS)]
        if then:
            stack.enter_context(repeating(clients, then))

        assert_answers(server)


@pytest.mark.parametrize("unread", UNREAD)
def test_the_api_answers_while_200_clients_do_not_read(server, conn, unread):
    store_points(conn, 100_000)
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(client(server, UNREAD[unread], reads=False))

        assert_answers(server)


def test_the_api_answers_while_200_clients_read_byte_by_byte(server):
    with ExitStack() as stack:
        clients = [stack.enter_context(client(server, get(SCRIPT), reads=False)) for _ in range(CLIENTS)]
        for slow in clients:
            slow.recv(1)

        assert_answers(server)
        assert {slow.recv(1) for slow in clients} == {b"T"}


def test_the_api_answers_while_all_connections_are_taken(environment, folder):
    options = ("--worker-connections", "50")
    with serving(environment, folder, *options, WEB_CONCURRENCY="1") as server, ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(client(server))

        assert_answers(server)


def test_liveness_does_not_wait_for_requests_that_wait_for_the_database(server, conn, settings, redis):
    show_run(settings, redis, 1)
    redis.flushall()
    with ExitStack() as stack:
        with conn.cursor() as cursor:
            cursor.execute("LOCK TABLE llms IN ACCESS EXCLUSIVE MODE")
        stack.callback(conn.rollback)
        for _ in range(8):  # twice the number of threads
            stack.enter_context(client(server, get(RANKINGS)))
        with closing(connect(settings)) as other:
            wait_until(lambda: len(query(other, WAITING)) == 4)

        start = time.monotonic()
        assert server.request("/healthz").status == 200
        assert time.monotonic() - start < SECONDS


def test_a_silent_client_is_disconnected(quick):
    with client(quick) as silent:
        assert received(silent) == b""


@pytest.mark.parametrize("sent", ["half a head", "no body after its length", "half a chunk"])
def test_half_a_request_is_answered_with_408_in_time(quick, sent):
    with client(quick, SENDERS[sent][0]) as slow:
        answer = received(slow)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b'"message": "Request not received in time"' in answer


@pytest.mark.parametrize("sent", ["a head, byte by byte", "a body, byte by byte"])
def test_a_request_byte_by_byte_is_answered_with_408_in_time(quick, sent):
    first, then = SENDERS[sent]
    with client(quick, first) as slow, repeating([slow], then):
        assert received(slow).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_an_idle_connection_is_closed_in_time(quick):
    with client(quick, get("/healthz")) as idle:
        assert received(idle).endswith(b'{"status":"ok"}\n')


@pytest.mark.parametrize(("keepalive", "is_open"), [("1", False), ("60", True)])
def test_an_idle_connection_stays_open_for_as_long_as_set(without_database, folder, keepalive, is_open):
    with serving(without_database, folder, KEEPALIVE=keepalive) as server, client(server) as idle:
        idle.sendall(get("/healthz"))
        assert idle.recv(1 << 16)

        closed, _, _ = select.select([idle], [], [], 3)
        assert bool(closed) is not is_open


def test_an_idle_connection_gives_way_to_new_ones(without_database, folder):
    options = ("--worker-connections", "20")
    with serving(without_database, folder, *options, WEB_CONCURRENCY="1") as server, ExitStack() as stack:
        idle = [stack.enter_context(client(server, get("/healthz"))) for _ in range(15)]
        for each in idle:
            assert each.recv(1 << 16)
        new = [stack.enter_context(client(server, HEAD)) for _ in range(10)]
        for each in new:
            each.sendall(b"Connection: close\r\n\r\n")

            assert received(each).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_does_not_read_its_response_in_time_is_disconnected(quick):
    with client(quick, get(SCRIPT), reads=False) as slow:
        time.sleep(2)  # without reading
        assert 0 < len(received(slow)) < len(quick.request(SCRIPT).body)


def test_pipelined_requests_are_answered_in_order(server):
    closing_request = get(RANKINGS).replace(b"Host", b"Connection: close\r\nHost", 1)
    with client(server, get("/healthz") + get("/nowhere") + get("/openapi.json") + closing_request) as one:
        answers = received(one)

    statuses = [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", b"200", b"200"]
    assert answers.endswith(b"]}")


def test_a_request_in_many_parts_is_whole(server):
    request = get(RANKINGS).replace(b"Host", b"Connection: close\r\nHost", 1)
    with client(server) as slow:
        for byte in request:
            slow.sendall(bytes([byte]))

        assert received(slow).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_may_come_in_chunks_and_after_100_continue(server):
    form = FORM + b"Connection: close\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client(server, form) as polite:
        assert polite.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"

        polite.sendall(b"3\r\na=b\r\n0\r\n\r\n")

        assert received(polite).startswith(b"HTTP/1.1 403 ")  # for want of a CSRF token


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(server):
    head = f"POST /api/v1/llms HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {2 << 20}\r\n\r\n"
    with client(server, head.encode()) as sender:
        assert received(sender).startswith(b"HTTP/1.1 413 ")


def test_a_head_that_is_too_long_is_refused(server):
    assert_error(server.send(HEAD + b"X: " + b"x" * 9000 + b"\r\n\r\n"), 431)


def test_a_slow_reader_receives_the_whole_file(server):
    whole = server.request(SCRIPT).body
    request = get(SCRIPT).replace(b"Host", b"Connection: close\r\nHost", 1)
    with client(server, request, reads=False) as slow:
        time.sleep(0.5)

        assert received(slow).endswith(b"\r\n\r\n" + whole)


def test_large_bodies_are_bounded_together(server):
    body = FORM + b"Content-Length: 1000000\r\n\r\n" + b"x" * 999_999
    with ExitStack() as stack:
        senders = [stack.enter_context(client(server)) for _ in range(CLIENTS // 2)]
        for sender in senders:
            with suppress(OSError):
                sender.sendall(body)

        refused, _, _ = select.select(senders, [], [], 10)
        assert received(refused[0]).startswith(b"HTTP/1.1 503 ")
        assert_answers(server)
