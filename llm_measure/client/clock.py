"""An alarm that is exact to the microsecond, where event loops round to the millisecond."""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from time import monotonic_ns

from llm_measure.records import SECOND_NS

CLOCK_MONOTONIC, ABSOLUTE = 1, 1
# Without timerfd, the loop's timer wakes this long before the moment, and active waiting bridges the rest.
EARLY_NS = 2_000_000


class _Timerspec(ctypes.Structure):
    """struct itimerspec: interval, then value, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """Calls `ring` at a moment of the monotonic clock: by Linux's timerfd, elsewhere by active waiting."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]):
        self._loop = loop
        self._ring = ring
        self._fd: int | None = None
        self._handle: asyncio.Handle | None = None
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._spec = _Timerspec()
            self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._fd < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create")
            loop.add_reader(self._fd, self._rung)

    def set(self, when_ns: int) -> None:
        """Ring at that moment, or immediately if it is past; replaces an earlier setting."""
        if self._fd is None:
            self._wait(when_ns)
            return
        self._spec.value_s, self._spec.value_ns = divmod(max(when_ns, 1), SECOND_NS)
        self._libc.timerfd_settime(self._fd, ABSOLUTE, ctypes.byref(self._spec), None)

    def close(self) -> None:
        """Stop ringing."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
        elif self._handle:
            self._handle.cancel()

    def _rung(self) -> None:
        try:
            os.read(self._fd, 8)  # type: ignore[arg-type]
        except BlockingIOError:  # set again in the meantime
            return
        self._ring()

    def _wait(self, when_ns: int) -> None:
        if self._handle:
            self._handle.cancel()
        left = when_ns - monotonic_ns()
        if left <= 0:
            self._handle = self._loop.call_soon(self._ring)
        elif left > EARLY_NS:
            self._handle = self._loop.call_later((left - EARLY_NS) / SECOND_NS, self._wait, when_ns)
        else:
            self._handle = self._loop.call_soon(self._wait, when_ns)
