"""Reads all plain connections, in batches where much arrives.

The event loop would wake up for each part of each response. With tens of thousands of parts a second, most
of the processor time would go into waking up; a pause of a millisecond, in which parts gather, saves it at
the price of half a millisecond of exactness. Where less arrives there is no pause.
"""

import asyncio
import os
import select
import sys
from time import monotonic_ns

from llm_measure.client.clock import Alarm
from llm_measure.client.connection import Connection
from llm_measure.records import SECOND_NS

BUFFER_BYTES = 1 << 16
BATCH = 64  # parts per look at the clock
# How long one reading may last before the loop's timers and other callbacks have their turn.
TURN_NS = 10_000_000
JUDGE_INTERVAL_NS = 10_000_000
EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET if sys.platform == "linux" else 0


class Poller:
    """Reads instead of the transports, where there is epoll and no TLS in between.

    Above `busy_rate` parts per second it pauses for `pause_ns` after each reading.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, busy_rate: float = 20_000, pause_ns: int = 1_000_000):
        self._loop = loop
        self._busy_rate = busy_rate
        self._pause_ns = pause_ns
        self._connections: dict[int, Connection] = {}
        self._room = bytearray(BUFFER_BYTES)
        self._alarm = Alarm(loop, self._turn)
        self._pauses = False
        self._arrived = 0
        self._judged_ns = monotonic_ns()
        if sys.platform == "linux":
            self._ready = select.epoll()
            loop.add_reader(self._ready.fileno(), self._turn)

    def add(self, connection: Connection) -> None:
        """Read this connection from now on."""
        if sys.platform == "linux" and (number := connection.hand_over()) is not None:
            self._connections[number] = connection
            self._ready.register(number, EVENTS)

    def close(self) -> None:
        """Stop reading."""
        self._alarm.close()
        if sys.platform == "linux":
            self._loop.remove_reader(self._ready.fileno())
            self._ready.close()

    def _turn(self) -> None:
        self._read()
        now = monotonic_ns()
        if now - self._judged_ns > JUDGE_INTERVAL_NS:
            self._judge(self._arrived * SECOND_NS / (now - self._judged_ns))
            self._arrived, self._judged_ns = 0, now
        if self._pauses:
            self._alarm.set(now + self._pause_ns)

    def _judge(self, rate: float) -> None:
        """Pause or not, by the number of parts per second."""
        if self._pauses != (rate > self._busy_rate):
            self._pauses = not self._pauses
            if self._pauses:
                self._loop.remove_reader(self._ready.fileno())
            else:
                self._loop.add_reader(self._ready.fileno(), self._turn)

    def _read(self) -> None:
        """Read what has arrived, all of it unless that takes too long.

        Copies out of one buffer cost less than a new buffer per part.
        """
        connections, buffers, view, readv = self._connections, [self._room], memoryview(self._room), os.readv
        until, more = monotonic_ns() + TURN_NS, True
        while more:
            events = self._ready.poll(0, BATCH)
            moment = monotonic_ns()  # all of them arrived before
            more = len(events) == BATCH and moment < until
            self._arrived += len(events)
            for number, event in events:
                connection = connections[number]
                if event != select.EPOLLIN:
                    self._read_to_the_end(number, connection, until)
                    continue
                try:
                    size = readv(number, buffers)
                except OSError:  # nothing left, or an error that is an event by itself
                    continue
                connection.received(view[:size].tobytes(), moment)
                if not 0 < size < BUFFER_BYTES:
                    self._read_to_the_end(number, connection, until)

    def _read_to_the_end(self, number: int, connection: Connection, until: int) -> None:
        """Read until nothing more has arrived, the server has ended the connection, or the time is up."""
        lost: OSError | None = None
        while connection.is_open:
            try:
                data = os.read(number, BUFFER_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                data, lost = b"", error
            if data:
                moment = monotonic_ns()
                connection.received(data, moment)
                if moment > until and connection.is_open:
                    self._ready.modify(number, EVENTS)  # what is left is an event again
                    return
            else:
                connection.connection_lost(lost)
                connection.close()
