"""The mock server as a process: in the foreground, or next to the process that starts it."""

import asyncio
import multiprocessing
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import uvloop

from llm_measure.client.limits import allow_many_connections
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.server import MockServer

START_SECONDS = 30


def serve(
    behaviour: Behaviour,
    host: str,
    port: int,
    ready: Callable[[int], None],
    certificate: Path | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; calls `ready` with the port. OSError if the address is unusable.

    Serves TLS with a `certificate`, a PEM file that also holds the key.
    """
    allow_many_connections()
    tls = None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    uvloop.run(_serve(behaviour, host, port, ready, tls))


async def _serve(
    behaviour: Behaviour, host: str, port: int, ready: Callable[[int], None], tls: ssl.SSLContext | None
) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    parent = multiprocessing.parent_process()
    if parent:
        loop.add_reader(parent.sentinel, ended.set)  # readable when the parent has died
    server = await MockServer(behaviour, loop).listen(host, port, tls)
    ready(server.sockets[0].getsockname()[1])
    await ended.wait()
    server.close()


@contextmanager
def running_mock_server(behaviour: Behaviour, certificate: Path | None = None) -> Iterator[str]:
    """Run a mock server on loopback in a separate process; yields its base URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(behaviour, theirs, certificate), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the mock server did not start")
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()


def _child(behaviour: Behaviour, pipe: Pipe, certificate: Path | None) -> None:
    serve(behaviour, "127.0.0.1", 0, pipe.send, certificate)
