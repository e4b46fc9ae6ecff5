"""When data arrived by the kernel's clock, which a late or pausing reader does not shift.

Linux notes the arrival of each packet if a socket asks for it (SO_TIMESTAMPNS in socket(7)). Of a read that
holds several packets it says when the last one arrived.
"""

import socket
import struct
import sys
from time import monotonic_ns, time_ns

from llm_measure.records import SECOND_NS

SO_TIMESTAMPNS = 35  # of asm-generic/socket.h
STAMP = struct.Struct("@ll")  # struct timespec
STAMP_SPACE = socket.CMSG_SPACE(STAMP.size) if sys.platform == "linux" else 0
# The two clocks are compared within this time; else the thread was interrupted in between.
COMPARED_WITHIN_NS = 3_000
COMPARISONS = 100  # until one succeeds, at the start
START_S = 0.1  # for the kernel to begin with its notes


class KernelClock:
    """Has sockets note when data arrives, and converts these times to the monotonic clock, if it `works`."""

    def __init__(self) -> None:
        # The kernel notes no times until some socket asks for them, and takes a moment to begin.
        self._first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.works = sys.platform == "linux" and self._begins()
        except OSError:
            self.works = False
        self._offset_ns = time_ns() - monotonic_ns()  # from the monotonic clock to the kernel's wall clock
        for _ in range(COMPARISONS):
            if self.compare():
                break

    def stamp(self, connection: socket.socket) -> None:
        """Have arrivals on this socket noted."""
        if self.works:
            connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def compare(self) -> bool:
        """Compare the clocks again, as the wall clock may be set; return whether it succeeded."""
        before, wall, after = monotonic_ns(), time_ns(), monotonic_ns()
        if after - before > COMPARED_WITHIN_NS:
            return False
        self._offset_ns = wall - (before + after) // 2
        return True

    def moment(self, stamp: list[tuple[int, int, bytes]]) -> int:
        """Return the moment of the monotonic clock that a read's ancillary data says; 0 if it says none."""
        if not stamp:
            return 0
        seconds, ns = STAMP.unpack(stamp[0][2])
        return seconds * SECOND_NS + ns - self._offset_ns

    def close(self) -> None:
        """Have no more arrivals noted."""
        self._first.close()

    def _begins(self) -> bool:
        """Return whether what arrives gets a time; raises OSError."""
        self._first.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._first.bind(("127.0.0.1", 0))
        self._first.settimeout(START_S)
        until = monotonic_ns() + int(START_S * SECOND_NS)
        while monotonic_ns() < until:
            self._first.sendto(b"?", self._first.getsockname())
            if self._first.recvmsg(1, STAMP_SPACE)[1]:
                return True
        return False
