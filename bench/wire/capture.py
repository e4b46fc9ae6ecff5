"""A capture of loopback traffic by tcpdump, which writes the kernel's time of each packet."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.wire.pcap import CaptureError

# The kernel hands packets over once a second at the latest, so that a file that grows no longer is complete.
QUIET_SECONDS, QUIET_CHECKS = 0.2, 7
BUFFER_KIB = 65536
DROPPED = re.compile(r"^(\d+) packets? dropped", re.MULTILINE)


def why_unable() -> str | None:
    """Return why traffic cannot be captured here; None if it can."""
    if not shutil.which("tcpdump"):
        return "tcpdump not found; install it (Debian: apt install tcpdump)"
    try:
        with captured(Path(os.devnull), 9):
            return None
    except CaptureError as error:
        return str(error)


@contextmanager
def captured(file: Path, port: int, one_in: int = 1) -> Iterator[None]:
    """Write the packets from and to this port of loopback to the file, which is complete after the block.

    Of `one_in` connections, a power of two, one is captured, by the client's port. Raises CaptureError if
    tcpdump does not start, as without permission, or if packets were dropped.
    """
    command = ["tcpdump", "-i", "lo", "-B", str(BUFFER_KIB), "-s", "0", "-w", file, "-U", "-n",
               "--time-stamp-precision=nano", _filter(port, one_in)]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = ""
    try:
        while "listening on" not in said:
            line = process.stderr.readline()
            if not line:
                raise CaptureError(f"tcpdump: {said.strip()}")
            said += line
        yield
        _wait_until_quiet(file)
    finally:
        process.send_signal(signal.SIGINT)
        said += process.communicate()[1]
    for number in DROPPED.findall(said):
        if int(number):
            raise CaptureError(f"{number} packets were dropped; expected all packets")


def _filter(port: int, one_in: int) -> str:
    """Return the filter in the language of pcap-filter(7)."""
    chosen = [f"tcp[{offset}:2] & {one_in - 1} = 0" for offset in (0, 2)]  # of the source, the destination
    return f"(tcp dst port {port} and {chosen[0]}) or (tcp src port {port} and {chosen[1]})"


def _wait_until_quiet(file: Path) -> None:
    size, quiet = -1, 0
    while quiet < QUIET_CHECKS:
        time.sleep(QUIET_SECONDS)
        before, size = size, file.stat().st_size
        quiet = quiet + 1 if size == before else 0
