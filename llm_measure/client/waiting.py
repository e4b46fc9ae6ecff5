"""How long a client waits for a processor, which its own clock and processor time do not show."""

from pathlib import Path
from time import monotonic_ns

from llm_measure.records import SECOND_NS

# Linux: time on a processor, time in the run queue, both in ns, and the number of time slices.
SCHEDSTAT = Path("/proc/thread-self/schedstat")


class Waiting:
    """The wait of the thread that makes it, from then on.

    On Linux it is the time in the run queue. Elsewhere it is by how much regular ticks of the event loop come
    late, which is a sample of it.
    """

    def __init__(self) -> None:
        self._begun = _run_queue_ns()
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
        if self._begun is None:
            return self._late_ns / SECOND_NS
        return ((_run_queue_ns() or self._begun) - self._begun) / SECOND_NS


def _run_queue_ns() -> int | None:
    """Return this thread's time in the run queue since its start; None if the system does not count it."""
    try:
        _, waited_ns, slices = map(int, SCHEDSTAT.read_text().split())
    except (OSError, ValueError):
        return None
    return waited_ns if slices else None
