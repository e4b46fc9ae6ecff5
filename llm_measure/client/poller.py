"""Reads all plain connections, in batches where much arrives, with the kernel's times of arrival.

The event loop would wake up for each part of each response. With tens of thousands of parts a second, most
of the processor time would go into waking up; a pause of some milliseconds, in which parts gather, saves it.
The kernel's times are as exact as without a pause, but for parts of one connection that share a read: only
the last one's time is known. So a pause is a fraction of the time between the reads of one connection.
Without the kernel's times, each part is late by up to the pause, which then stays at a millisecond.
"""

import asyncio
import select
import socket
import sys
from time import monotonic_ns, thread_time_ns

from llm_measure.client.clock import Alarm
from llm_measure.client.connection import Connection
from llm_measure.client.kernel_clock import STAMP_SPACE, KernelClock
from llm_measure.client.waiting import RunQueue
from llm_measure.records import SECOND_NS

READ_BYTES = 1 << 14
BATCH = 64  # parts per look at the clock
# How long one reading may last before the loop's timers and other callbacks have their turn.
TURN_NS = 10_000_000
JUDGE_INTERVAL_NS = 20_000_000
EVENTS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET if sys.platform == "linux" else 0
SHORTEST_PAUSE_NS, LONGEST_PAUSE_NS = 250_000, 3_000_000
PAUSE = 0.15  # of the mean time between two reads of one connection
# What the two clocks may differ by, as they are compared from time to time.
CLOCKS_APART_NS = 20_000
MOST_UNSTAMPED = 0.01


class Poller:
    """Reads instead of the transports, where there is epoll and no TLS in between.

    Above `busy_rate` parts per second it pauses after each reading, for `pause_ns` at first.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run_queue: RunQueue,
        busy_rate: float = 20_000,
        pause_ns: int = 1_000_000,
    ):
        self._loop = loop
        self._run_queue = run_queue
        self._busy_rate = busy_rate
        self._pause_ns = pause_ns
        self._readers: dict[int, tuple[Connection, socket.socket]] = {}
        self._alarm = Alarm(loop, self._turn)
        self._pauses = False
        self._reads_all = True  # no transport does
        self._reads = self._unstamped = 0  # in all, and without the kernel's time
        self._judged_reads = 0
        self._judged_ns = self._drained_ns = self._read_ns = monotonic_ns()
        self._awake_ns = self._awake()
        self._clock = KernelClock()
        if sys.platform == "linux":
            self._ready = select.epoll()
            loop.add_reader(self._ready.fileno(), self._turn)

    def add(self, connection: Connection) -> None:
        """Read this connection from now on."""
        if sys.platform == "linux" and (reader := connection.hand_over()) is not None:
            self._clock.stamp(reader)
            connection.since = self._since
            self._readers[reader.fileno()] = connection, reader
            self._ready.register(reader, EVENTS)
        else:
            self._reads_all = False

    @property
    def has_kernel_times(self) -> bool:
        """Whether nearly all moments are the kernel's."""
        few = self._unstamped <= MOST_UNSTAMPED * self._reads
        return self._clock.works and self._reads_all and few

    def close(self) -> None:
        """Stop reading."""
        self._alarm.close()
        self._clock.close()
        if sys.platform == "linux":
            self._loop.remove_reader(self._ready.fileno())
            self._ready.close()

    def catch_up(self) -> None:
        """Read what has arrived if the last reading is long ago, as while many responses end."""
        if monotonic_ns() - self._read_ns > SHORTEST_PAUSE_NS:
            self._read()

    def _turn(self) -> None:
        self._read()
        now = monotonic_ns()
        if now - self._judged_ns > JUDGE_INTERVAL_NS:
            self._judge(self._reads - self._judged_reads, now - self._judged_ns)
            self._judged_reads, self._judged_ns = self._reads, now
        if self._pauses:
            self._alarm.set(now + self._pause_ns)

    def _judge(self, reads: int, interval_ns: int) -> None:
        """Pause or not, and for how long, by the number of reads per second."""
        if self._pauses and self._clock.works:
            streams = sum(connection.is_waiting for connection, _ in self._readers.values())
            pause_ns = int(PAUSE * streams * interval_ns / max(reads, 1))
            self._pause_ns = min(max(pause_ns, SHORTEST_PAUSE_NS), LONGEST_PAUSE_NS)
        if self._pauses != (reads * SECOND_NS > self._busy_rate * interval_ns):
            self._pauses = not self._pauses
            if self._pauses:
                self._loop.remove_reader(self._ready.fileno())
            else:
                self._loop.add_reader(self._ready.fileno(), self._turn)

    def _read(self) -> None:
        """Read what has arrived, all of it unless that takes too long."""
        readers, awake_ns = self._readers, self._awake()
        self._clock.compare()
        arrival, drained_ns = self._clock.moment, self._drained_ns
        until, more, is_drained = monotonic_ns() + TURN_NS, True, True
        while more:
            events = self._ready.poll(0, BATCH)
            now = monotonic_ns()
            more = len(events) == BATCH and now < until
            self._reads += len(events)
            for number, event in events:
                connection, reader = readers[number]
                if event != select.EPOLLIN:
                    is_drained &= self._read_to_the_end(connection, reader, until)
                    continue
                try:
                    data, stamp, _, _ = reader.recvmsg(READ_BYTES, STAMP_SPACE)
                except OSError:  # nothing left, or an error that is an event by itself
                    continue
                if data:
                    moment = arrival(stamp)
                    if not drained_ns < moment < now:
                        moment = self._checked(moment)
                    connection.received(data, moment)
                if not 0 < len(data) < READ_BYTES:
                    is_drained &= self._read_to_the_end(connection, reader, until)
        self._read_ns = now
        if is_drained and len(events) < BATCH:
            self._drained_ns, self._awake_ns = now, awake_ns

    def _read_to_the_end(self, connection: Connection, reader: socket.socket, until: int) -> bool:
        """Read until nothing more has arrived, the server has ended the connection, or the time is up.

        Return False if the time is up; what is left is an event again.
        """
        lost: OSError | None = None
        while connection.is_open:
            try:
                data, stamp, _, _ = reader.recvmsg(READ_BYTES, STAMP_SPACE)
            except BlockingIOError:
                return True
            except OSError as error:
                data, lost = b"", error
            if not data:
                connection.connection_lost(lost)
                connection.close()
                return True
            connection.received(data, self._checked(self._clock.moment(stamp)))
            if monotonic_ns() > until and connection.is_open:
                self._ready.modify(reader, EVENTS)
                return False
        return True

    def _checked(self, moment: int) -> int:
        """Return the moment of an arrival if it can be right, else now.

        It is wrong if the wall clock was set since then, and missing if the kernel noted none.
        """
        now = monotonic_ns()
        if self._drained_ns - CLOCKS_APART_NS < moment < now + CLOCKS_APART_NS:
            return min(moment, now)
        self._unstamped += 1
        return now

    def _since(self, moment: int) -> int:
        """Return since when the parts of a read before the last, which came at `moment`, may have come."""
        begin, now = self._drained_ns, monotonic_ns()
        if (was_awake := self._awake_ns) and (is_awake := self._awake()):
            # It slept, and woke up for the first of them; unless it was kept asleep, as after a stop signal.
            woke_up = now - (is_awake - was_awake)
            begin = max(begin, woke_up) if woke_up <= moment else begin
        return min(begin, moment)

    def _awake(self) -> int:
        """Return how long this thread has run or waited to run, in ns; 0 if it pauses or that is unknown."""
        if self._pauses or not self._run_queue.counts:
            return 0
        return thread_time_ns() + self._run_queue.waited_ns()
