"""A server as a process, from its start until it is stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench.servers.setup import FOLDER, SERVERS
from webapp import probe

START_SECONDS, STOP_SECONDS = 300, 20
SHOWN_BYTES = 4000  # of the log of a server that does not start


@contextmanager
def running(name: str) -> Iterator[str]:
    """Run the server on a free port of loopback; yields its base URL once it answers.

    Raises RuntimeError if it does not start.
    """
    server, port, log = SERVERS[name], _free_port(), FOLDER / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            server.command(FOLDER / name / "bin", port),
            env={**os.environ, **server.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        if not _answers(process, port):
            end = log.read_bytes()[-SHOWN_BYTES:].decode(errors="replace")
            raise RuntimeError(f"{name}: did not start\n{end}")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _answers(process: subprocess.Popen, port: int) -> bool:
    """Wait until the server answers with 200; return whether it does before it exits or the time is over."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if probe.status("127.0.0.1", port, "/health", seconds=5) == 200:
            return True
        time.sleep(0.2)
    return False


def _stop(process: subprocess.Popen) -> None:
    """Stop the server and whatever it has started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
