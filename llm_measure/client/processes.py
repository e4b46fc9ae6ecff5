"""Several client processes on one level, which start at the same moment and end with their parent."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from time import monotonic_ns
from typing import Any

from llm_measure.client.client import Client
from llm_measure.client.share import ClientResult
from llm_measure.progress import Progress, Stop

POLL_S = 0.1
START_DELAY_NS = 50_000_000  # from the moment when all processes are ready to the start of the plan
# Ctrl-C and a service manager's stop reach children too, but the parent decides what they mean.
PARENTS_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ClientProcessError(RuntimeError):
    """A client process died, so its share of the level is lost."""


def run_in_processes(
    clients: Sequence[tuple[Any, ...]], on_progress: Callable[[Progress], None] | None, stop: Stop | None
) -> list[ClientResult]:
    """Run a Client per item, made with these arguments, in a separate process each; return their results.

    Raises ClientProcessError.
    """
    context = multiprocessing.get_context("spawn")
    stopped = context.Event()
    pipes: list[Pipe] = []
    started = []
    try:
        for arguments in clients:
            ours, theirs = context.Pipe()
            process = context.Process(target=_child, args=(arguments, theirs, stopped), daemon=True)
            with _blocked(PARENTS_SIGNALS):  # children inherit this
                process.start()
            theirs.close()
            pipes.append(ours)
            started.append(process)
        return _gather(pipes, on_progress, stop, stopped.set)
    finally:
        for process in started:
            process.kill()
            process.join()


def _gather(
    pipes: list[Pipe],
    on_progress: Callable[[Progress], None] | None,
    stop: Stop | None,
    stop_all: Callable[[], None],
) -> list[ClientResult]:
    """Start the plan when all processes are ready, and pass on progress until each has sent its result."""
    waiting = len(pipes)
    latest: dict[Any, Progress] = {}
    results: dict[Any, ClientResult] = {}
    while len(results) < len(pipes):
        for pipe in wait([pipe for pipe in pipes if pipe not in results], POLL_S):
            message = _receive(pipe)
            if message is None:
                waiting -= 1
                if not waiting:
                    _begin(pipes)
            elif isinstance(message, ClientResult):
                results[pipe] = message
            else:
                latest[pipe] = message
        if on_progress and latest:
            on_progress(_sum(list(latest.values())))
        if stop and stop.is_set():
            stop_all()
    return [results[pipe] for pipe in pipes]


def _receive(pipe: Any) -> Any:
    try:
        return pipe.recv()
    except (EOFError, ConnectionError):
        raise ClientProcessError("a client process died") from None


def _begin(pipes: list[Pipe]) -> None:
    begin_ns = monotonic_ns() + START_DELAY_NS
    for pipe in pipes:
        with suppress(ConnectionError):  # a dead process is noticed when it is read from
            pipe.send(begin_ns)


def _sum(progress: list[Progress]) -> Progress:
    refused = [each.refused for each in progress if each.ended]
    return Progress(
        sent=sum(each.sent for each in progress),
        ended=sum(each.ended for each in progress),
        failed=sum(each.failed for each in progress),
        elapsed_s=max(each.elapsed_s for each in progress),
        refused=sum(refused) if all(refused) else 0,
        conversations=sum(each.conversations for each in progress),
    )


@contextmanager
def _blocked(signals: Sequence[signal.Signals]) -> Iterator[None]:
    """Deliver the signals only afterwards."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


class _StopOrOrphaned:
    """Set when the parent says so, or has died: a client without a parent must stop loading the endpoint."""

    def __init__(self, stop: Stop):
        self._stop = stop
        self._parent = multiprocessing.parent_process()

    def is_set(self) -> bool:
        return self._stop.is_set() or (self._parent is not None and not self._parent.is_alive())


def _child(arguments: tuple[Any, ...], pipe: Pipe, stop: Stop) -> None:
    def begin() -> int:
        pipe.send(None)  # ready
        return pipe.recv()

    try:
        pipe.send(Client(*arguments).run(begin, pipe.send, _StopOrOrphaned(stop)))
    except (BrokenPipeError, EOFError):  # the parent has died, so nobody wants the result
        raise SystemExit(1) from None
