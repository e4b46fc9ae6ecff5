"""Connections that a reader reads, against servers of the test's own."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from llm_measure.client import poller as polling
from llm_measure.client.connection import Connection, Exchange
from llm_measure.client.dial import Dialer
from llm_measure.client.poller import Poller
from llm_measure.endpoints import Endpoint
from llm_measure.load.requests import request_builder
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Workload
from tests.llm_measure.scripted import scripted

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no epoll; transports read there")


def with_reader(do: Callable[[Poller], Awaitable[None]]) -> None:
    async def run() -> None:
        reader = Poller(asyncio.get_running_loop())
        try:
            await asyncio.wait_for(do(reader), timeout=20)
        finally:
            reader.close()

    uvloop.run(run())


async def opened(reader: Poller, url: str) -> Connection:
    connection = await Dialer(Endpoint(url, "m")).open()
    reader.add(connection)
    return connection


async def streamed(connection: Connection, url: str, tokens: int) -> Exchange:
    workload = Workload(output_tokens=tokens, seed=1)
    return await connection.ask(request_builder(Endpoint(url, "m"), workload, 1, "/v1/chat/completions")(0))


def test_an_answer_longer_than_the_room_is_read_to_its_end():
    body = bytes(range(256)) * 4096

    async def do(reader: Poller) -> None:
        connection = await opened(reader, server.url)
        for _ in range(2):
            exchange = await connection.ask(GET)
            assert (exchange.failure, b"".join(exchange.parts)) == (None, body)
            assert exchange.times == sorted(exchange.times)
            assert exchange.sent_ns <= exchange.times[0]

    with scripted(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body, keep=True) as server:
        with_reader(do)


def test_a_request_longer_than_the_socket_takes_at_once_is_sent_whole():
    request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n" + b"x" * 8_000_000

    async def do(reader: Poller) -> None:
        exchange = await (await opened(reader, server.url)).ask(request)
        assert exchange.status == 204

    with scripted(b"HTTP/1.1 204 No Content\r\n\r\n", keep=True) as server:
        with_reader(do)
        assert server.requests == [request]


def test_an_end_that_comes_with_the_last_bytes_is_seen():
    async def do(reader: Poller) -> None:
        exchange = await (await opened(reader, server.url)).ask(GET)
        assert (exchange.failure, exchange.parts) == (None, [b"all"])

    with scripted(b"HTTP/1.1 200 OK\r\n\r\nall") as server:
        with_reader(do)


def test_a_connection_that_the_server_ends_while_nothing_is_asked_is_no_longer_open():
    async def do(reader: Poller) -> None:
        connection = await opened(reader, server.url)
        await connection.ask(GET)
        while connection.is_open:
            await asyncio.sleep(0.01)

    with scripted(b"HTTP/1.1 204 No Content\r\n\r\n", 0.05) as server:
        with_reader(do)


def test_where_much_comes_it_gathers_in_pauses_and_where_little_comes_each_part_has_its_moment(monkeypatch):
    monkeypatch.setattr(polling, "MUCH", 100)
    monkeypatch.setattr(polling, "PAUSE_NS", 100_000_000)

    async def do(reader: Poller) -> None:
        streams = [await opened(reader, fast) for _ in range(20)]
        much = await asyncio.gather(*(streamed(stream, fast, 200) for stream in streams))
        little = await streamed(await opened(reader, slow), slow, 15)

        for exchange in much:
            assert len(exchange.times) >= 200
            assert len(set(exchange.times)) < 100
        # Pauses would gather them into seven; a last one may gather the first parts.
        assert len(set(little.times)) >= 10

    with (
        running_mock_server(Behaviour(ttft=0.01, itl=0.001)) as fast,
        running_mock_server(Behaviour(ttft=0.01, itl=0.04)) as slow,
    ):
        with_reader(do)
