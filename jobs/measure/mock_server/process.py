"""The mock server as a process: in the foreground, or beside the one that starts it."""

import asyncio
import multiprocessing
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import uvloop

from jobs.measure.limits import allow_many_connections
from jobs.measure.mock_server.behaviour import Behaviour
from jobs.measure.mock_server.server import MockServer

START_SECONDS = 30


def serve(
    behaviour: Behaviour,
    host: str,
    port: int,
    ready: Callable[[int], None],
    certificate: Path | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told the port. OSError if the address cannot be used.

    With a `certificate`, a PEM file that holds the key, too, by TLS.
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
        loop.add_reader(parent.sentinel, ended.set)  # readable when the one that it stands beside has died
    server = await MockServer(behaviour, loop).listen(host, port, tls)
    ready(server.sockets[0].getsockname()[1])
    await ended.wait()
    server.close()


@contextmanager
def beside(behaviour: Behaviour, certificate: Path | None = None) -> Iterator[str]:
    """A mock server on this machine's loopback in a process of its own; yields its base URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(behaviour, theirs, certificate), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the mock server does not start")
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()


def _child(behaviour: Behaviour, pipe: Pipe, certificate: Path | None) -> None:
    serve(behaviour, "127.0.0.1", 0, pipe.send, certificate)
