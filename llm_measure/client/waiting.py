"""How long a client waits for a processor, which its own clock and processor time do not show."""

import os
from contextlib import suppress
from time import monotonic_ns

from llm_measure.records import SECOND_NS

# Linux: time on a processor, time in the run queue, both in ns, and the number of time slices.
SCHEDSTAT = "/proc/thread-self/schedstat"
SCHEDSTAT_BYTES = 100  # at most


class RunQueue:
    """How long the thread that makes it waits in the run queue, if the system `counts` that."""

    def __init__(self) -> None:
        self._file = -1
        self.counts = False
        with suppress(OSError):
            self._file = os.open(SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
            self.counts = self._read()[2] > 0

    def waited_ns(self) -> int:
        """Return the wait since the thread's start; 0 if the system does not count it."""
        return self._read()[1] if self.counts else 0

    def close(self) -> None:
        """Count no longer."""
        self.counts = False
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _read(self) -> list[int]:
        return [int(count) for count in os.pread(self._file, SCHEDSTAT_BYTES, 0).split()]


class Waiting:
    """The wait of a thread from when this is made.

    It is the time in the run queue. Where the system does not count that, it is by how much regular ticks of
    the event loop come late, which is a sample of it.
    """

    def __init__(self, run_queue: RunQueue) -> None:
        self._run_queue = run_queue
        self._begun_ns = run_queue.waited_ns()
        self._due_ns: int | None = None
        self._late_ns = 0

    def tick(self, period_s: float) -> None:
        """Note the moment of a tick; they are to come `period_s` apart."""
        now = monotonic_ns()
        if self._due_ns is not None:
            self._late_ns += max(now - self._due_ns, 0)
        self._due_ns = now + int(period_s * SECOND_NS)

    @property
    def seconds(self) -> float:
        """How long it has been."""
        if self._run_queue.counts:
            return (self._run_queue.waited_ns() - self._begun_ns) / SECOND_NS
        return self._late_ns / SECOND_NS
