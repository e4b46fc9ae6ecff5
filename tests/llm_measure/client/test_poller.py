"""Connections that a poller reads, against real servers."""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from llm_measure.client.connection import Connection
from llm_measure.client.dial import Dialer
from llm_measure.client.exchange import Exchange
from llm_measure.client.limits import Memory
from llm_measure.client.poller import Poller
from llm_measure.client.waiting import RunQueue
from llm_measure.endpoints import Endpoint
from llm_measure.load.requests import request_builder
from llm_measure.workloads import Workload
from tests.llm_measure.client.measured import CHUNKED
from tests.llm_measure.scripted import scripted

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="without epoll, transports read")


Open = Callable[[str], Awaitable[Connection]]


def with_poller(do: Callable[[Open], Awaitable[None]], **options: float) -> None:
    """Run `do` with a function that opens a connection to a URL, which a poller reads."""

    async def run() -> None:
        run_queue = RunQueue()
        poller = Poller(asyncio.get_running_loop(), run_queue, **options)
        connections = []

        async def opened(url: str) -> Connection:
            connections.append(await Dialer(Endpoint(url, "m")).open())
            poller.add(connections[-1])
            return connections[-1]

        try:
            await asyncio.wait_for(do(opened), timeout=20)
        finally:
            poller.close()
            run_queue.close()
            for connection in connections:
                connection.close()

    uvloop.run(run())


async def streamed(connection: Connection, url: str, tokens: int) -> Exchange:
    workload = Workload(output_tokens=tokens, seed=1)
    return await connection.send(
        request_builder(Endpoint(url, "m"), workload, 1, "/v1/chat/completions")(0, None)
    )


def test_a_response_longer_than_the_buffer_is_read_to_its_end():
    body = bytes(range(256)) * 4096

    async def do(opened: Open) -> None:
        connection = await opened(server.url)
        for _ in range(2):
            exchange = await connection.send(GET)
            assert (exchange.failure, b"".join(exchange.parts)) == (None, body)
            assert exchange.times == sorted(exchange.times)
            assert exchange.sent_ns <= exchange.times[0]

    with scripted(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body, keep=True) as server:
        with_poller(do)


def test_a_request_longer_than_the_socket_accepts_in_one_write_is_sent_completely():
    request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n" + b"x" * 8_000_000

    async def do(opened: Open) -> None:
        exchange = await (await opened(server.url)).send(request)
        assert exchange.status == 204

    with scripted(b"HTTP/1.1 204 No Content\r\n\r\n", keep=True) as server:
        with_poller(do)
        assert server.requests == [request]


def test_an_end_that_arrives_with_the_last_bytes_is_noticed():
    async def do(opened: Open) -> None:
        exchange = await (await opened(server.url)).send(GET)
        assert (exchange.failure, exchange.parts) == (None, [b"all"])

    with scripted(b"HTTP/1.1 200 OK\r\n\r\nall") as server:
        with_poller(do)


def test_an_idle_connection_that_the_server_closes_is_no_longer_open():
    async def do(opened: Open) -> None:
        connection = await opened(server.url)
        await connection.send(GET)
        while connection.is_open:
            await asyncio.sleep(0.01)

    with scripted(b"HTTP/1.1 204 No Content\r\n\r\n", 0.05) as server:
        with_poller(do)


def test_responses_that_together_exceed_the_memory_of_a_level_are_malformed():
    async def do(opened: Open) -> None:
        connections = [await opened(server.url) for _ in range(3)]
        memory = Memory(10_000_000)
        for connection in connections:
            connection.memory = memory
        exchanges = await asyncio.gather(*(connection.send(GET) for connection in connections))

        for exchange in exchanges:
            assert (exchange.failure, exchange.parts, exchange.size) == ("malformed", [], 0)
            assert exchange.detail.startswith("response: with others more than")
        assert memory.left == 10_000_000

    with scripted(b"HTTP/1.1 200 OK\r\n\r\n", itertools.repeat(65536 * b"a")) as server:
        with_poller(do)


def test_timers_run_while_a_server_sends_faster_than_the_client_reads(monkeypatch):
    async def do(opened: Open) -> None:
        flood = (await opened(server.url)).send(GET)
        for _ in range(20):
            await asyncio.sleep(0.02)
        assert not flood.done()

    monkeypatch.setattr("llm_measure.client.connection.MAX_RESPONSE_BYTES", 1 << 32)
    with scripted(CHUNKED, itertools.repeat(10_000 * b"1\r\na\r\n")) as server:
        with_poller(do)


def test_line_ends_that_nobody_asked_for_close_an_idle_connection():
    async def do(opened: Open) -> None:
        connection = await opened(server.url)
        await connection.send(GET)
        while connection.is_open:
            await asyncio.sleep(0.01)

    flood = itertools.repeat(65536 * b"\r\n")
    with scripted(b"HTTP/1.1 204 No Content\r\n\r\n", 0.05, flood, keep=True) as server:
        with_poller(do)


EVENT = b"data: 1\n\n"
PART = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
LAST = b"0\r\n\r\n"


@pytest.mark.moments
def test_a_part_has_the_moment_of_its_arrival_even_if_it_is_read_late():
    async def do(opened: Open) -> None:
        connection = await opened(server.url)
        response = connection.send(GET)
        time.sleep(0.3)  # what arrives meanwhile is not read
        exchange = await response

        assert 0.1 <= (exchange.times[0] - exchange.sent_ns) / 1e9 < 0.15
        assert exchange.end_ns == exchange.times[0]

    with scripted(0.1, CHUNKED + PART + LAST, keep=True) as server:
        with_poller(do)


@pytest.mark.moments
def test_parts_that_came_apart_and_were_read_together_are_known_to_be_late():
    async def do(opened: Open) -> None:
        connection = await opened(server.url)
        response = connection.send(GET)
        time.sleep(0.5)
        exchange = await response

        offsets = [(moment - exchange.sent_ns) / 1e9 for moment in exchange.times]
        assert offsets == sorted(offsets)
        assert 0.3 <= offsets[-1] < 0.35
        assert len(set(exchange.times)) == 1
        first, second, last = (exchange.late_ns(part) for part in range(3))
        assert min(first, second) > 250_000_000
        assert last == 0

    with scripted(0.1, CHUNKED + PART, 0.1, PART, 0.1, PART + LAST, keep=True) as server:
        with_poller(do)


@pytest.mark.moments
def test_parts_that_came_together_share_a_moment_that_is_sure():
    async def do(opened: Open) -> None:
        exchange = await (await opened(server.url)).send(GET)

        assert len(exchange.times) == 3
        assert len(set(exchange.times)) == 1
        assert not any(exchange.late_ns(part) for part in range(3))

    with scripted(CHUNKED, 0.1, 3 * PART + LAST, keep=True) as server:
        with_poller(do)


@pytest.mark.moments
def test_while_much_arrives_parts_gather_in_pauses_and_keep_their_moments():
    async def do(opened: Open) -> None:
        stream = await opened(server.url)
        exchange = await streamed(stream, server.url, 60)
        gaps = [after - before for before, after in itertools.pairwise(exchange.times)]

        assert statistics.median(gaps) == pytest.approx(5e6, rel=0.1)
        # Pauses begin at 100 ms, and become shorter as parts share a read.
        assert len(exchange.shared) < 100

    parts = itertools.chain.from_iterable(itertools.repeat((0.005, PART), 200))
    with scripted(CHUNKED, parts, LAST, keep=True) as server:
        with_poller(do, busy_rate=100, pause_ns=100_000_000)
