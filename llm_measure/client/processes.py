"""Several client processes on one level, which start at the same moment and end with their parent."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from time import monotonic_ns
from typing import Any

from llm_measure.client.client import Client, ClientResult, Progress, Stop

POLL_S = 0.1
TOGETHER_NS = 50_000_000  # from the moment when all processes are ready to the start of the plan


def run_in_processes(
    clients: Sequence[tuple[Any, ...]], on_progress: Callable[[Progress], None] | None, stop: Stop | None
) -> list[ClientResult]:
    """Run a Client per item, each with these arguments, in a separate process each; return their results."""
    context = multiprocessing.get_context("spawn")
    stopped = context.Event()
    pipes: list[Pipe] = []
    started = []
    try:
        for arguments in clients:
            ours, theirs = context.Pipe()
            process = context.Process(target=_child, args=(arguments, theirs, stopped), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            started.append(process)
        for pipe in pipes:
            pipe.recv()  # it is ready
        begin_ns = monotonic_ns() + TOGETHER_NS
        for pipe in pipes:
            pipe.send(begin_ns)
        return _gather(pipes, on_progress, stop, stopped.set)
    except EOFError:
        raise RuntimeError("a client process died") from None
    finally:
        for process in started:
            process.terminate()
            process.join()


def _gather(
    pipes: list[Pipe],
    on_progress: Callable[[Progress], None] | None,
    stop: Stop | None,
    stop_all: Callable[[], None],
) -> list[ClientResult]:
    """Pass on progress until each process has sent its result."""
    latest: dict[Any, Progress] = {}
    results: dict[Any, ClientResult] = {}
    while len(results) < len(pipes):
        for pipe in wait([pipe for pipe in pipes if pipe not in results], POLL_S):
            news: Any = pipe.recv()  # type: ignore[union-attr,call-arg]
            if isinstance(news, ClientResult):
                results[pipe] = news
            else:
                latest[pipe] = news
        if on_progress and latest:
            on_progress(_sum(list(latest.values())))
        if stop and stop.is_set():
            stop_all()
    return [results[pipe] for pipe in pipes]


def _sum(progress: list[Progress]) -> Progress:
    return Progress(
        sent=sum(each.sent for each in progress),
        ended=sum(each.ended for each in progress),
        failed=sum(each.failed for each in progress),
        elapsed_s=max(each.elapsed_s for each in progress),
    )


class _StopOrOrphaned:
    """Set when the parent says so, or has died: a client without a parent must not load the endpoint on."""

    def __init__(self, stop: Stop):
        self._stop = stop
        self._parent = multiprocessing.parent_process()

    def is_set(self) -> bool:
        return self._stop.is_set() or self._is_orphaned()

    def _is_orphaned(self) -> bool:
        return self._parent is not None and not self._parent.is_alive()


def _child(arguments: tuple[Any, ...], pipe: Pipe, stop: Stop) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides what it means

    def begin() -> int:
        pipe.send(None)
        return pipe.recv()

    try:
        pipe.send(Client(*arguments).run(begin, pipe.send, _StopOrOrphaned(stop)))
    except (BrokenPipeError, EOFError):  # the parent has died, so nobody wants the result
        raise SystemExit(1) from None
