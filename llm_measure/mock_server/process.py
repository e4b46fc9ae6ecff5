"""The mock server as a process: in the foreground, or next to the process that starts it."""

import asyncio
import multiprocessing
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import uvloop

from llm_measure.client.limits import allow_many_connections
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.server import MockServer

START_SECONDS = 30


def serve(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    behaviour: Behaviour,
    host: str,
    port: int,
    ready: Callable[[int], None],
    certificate: Path | None = None,
    is_shared: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM; calls `ready` with the port. OSError if the address is unusable.

    A shared port may be served by further processes, among which the kernel distributes the connections.

    Serves TLS with a `certificate`, a PEM file that also holds the key.
    """
    allow_many_connections()
    tls = None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    uvloop.run(_serve(behaviour, host, port, ready, tls, is_shared))


async def _serve(  # noqa: PLR0913, PLR0917  (those of serve)
    behaviour: Behaviour,
    host: str,
    port: int,
    ready: Callable[[int], None],
    tls: ssl.SSLContext | None,
    is_shared: bool,
) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    parent = multiprocessing.parent_process()
    if parent:
        loop.add_reader(parent.sentinel, ended.set)  # readable when the parent has died
    server = await MockServer(behaviour, loop).listen(host, port, tls, is_shared)
    ready(server.sockets[0].getsockname()[1])
    await ended.wait()
    server.close()


@contextmanager
def running_mock_server(
    behaviour: Behaviour, certificate: Path | None = None, processes: int = 1
) -> Iterator[str]:
    """Run a mock server on loopback in separate processes, which share its port; yields its base URL.

    The kernel distributes the connections among the processes, each of which knows only its own requests.
    """
    with ExitStack() as started:
        port = 0
        for _ in range(processes):
            port = started.enter_context(_process(behaviour, port, certificate, processes > 1))
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}/v1"


@contextmanager
def _process(behaviour: Behaviour, port: int, certificate: Path | None, is_shared: bool) -> Iterator[int]:
    """Run a process on that port, by default any free one; yields the port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (behaviour, port, theirs, certificate, is_shared)
    process = context.Process(target=_child, args=arguments, daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the mock server did not start")
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _child(behaviour: Behaviour, port: int, pipe: Pipe, certificate: Path | None, is_shared: bool) -> None:
    serve(behaviour, "127.0.0.1", port, pipe.send, certificate, is_shared)
