"""The connections of one client: opened ahead, used again, and read by its poller."""

import asyncio
from time import monotonic_ns

from llm_measure.client.connection import Connection
from llm_measure.client.dial import Dialer, DialError
from llm_measure.client.exchange import Exchange
from llm_measure.client.limits import Memory
from llm_measure.client.poller import Poller
from llm_measure.records import Record


class Connections:
    """Connections to one endpoint, whose streams end with the event `end`."""

    def __init__(self, dialer: Dialer, poller: Poller, memory: Memory, end: bytes | None, timeout_s: float):
        self._dialer = dialer
        self._poller = poller
        self._memory = memory
        self._end = end
        self._timeout_s = timeout_s
        self._idle: list[Connection] = []

    async def open_ahead(self, number: int) -> None:
        """Open that number of connections, or fewer if one fails, which shows in the requests."""
        for _ in range(number):
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._idle.append(await self._open())
            except (DialError, TimeoutError):
                return

    async def exchange(self, request: bytes, record: Record) -> Exchange:
        """Send the request and wait for the end of its response; DialError if there is no connection."""
        exchange = await self._exchange(request, record)
        while exchange.is_stale:
            exchange = await self._exchange(request, record)
        return exchange

    def close(self) -> None:
        """Close those that wait for a request."""
        for connection in self._idle:
            connection.close()

    async def _exchange(self, request: bytes, record: Record) -> Exchange:
        connection = await self._take(record)
        ended = connection.send(request)
        timer = asyncio.get_running_loop().call_later(
            self._timeout_s, connection.fail, "timeout", f"no end within {self._timeout_s:g} s"
        )
        try:
            exchange = await ended
        except asyncio.CancelledError:
            exchange = connection.abandon()
        timer.cancel()
        if connection.is_open:
            self._idle.append(connection)
        return exchange

    async def _take(self, record: Record) -> Connection:
        """Return the connection that was used last, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        begun = monotonic_ns()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._open()
        except TimeoutError:
            raise DialError("connect", f"no connection within {self._timeout_s:g} s") from None
        except asyncio.CancelledError:
            raise DialError("cancelled", "stopped while connecting") from None
        finally:
            record.connect_ns += monotonic_ns() - begun

    async def _open(self) -> Connection:
        begun = monotonic_ns()
        connection = await self._dialer.open()
        connection.opened_in_ns = monotonic_ns() - begun
        connection.memory = self._memory
        connection.expect(self._end)
        self._poller.add(connection)
        return connection
