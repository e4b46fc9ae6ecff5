"""One load level, from its plan to its result, by one process or several."""

import multiprocessing
import secrets
import signal
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from time import monotonic_ns
from typing import Any

import numpy as np

from jobs.measure.arrivals import starts
from jobs.measure.client import Client, Progress, Share, Stop, Taken
from jobs.measure.clock import SECOND_NS
from jobs.measure.record import Lag, LevelResult, Record
from jobs.measure.validity import why_invalid
from jobs.measure.workload import Endpoint, Load, Workload

POLL_S = 0.1
SHOWABLE_OF_KEY = 3  # such as sk-
TOGETHER_NS = 50_000_000  # from the moment when all processes are ready to the plan's beginning


def measure_level(  # noqa: PLR0913  (each names a part of the measurement)
    endpoint: Endpoint,
    workload: Workload,
    load: Load,
    *,
    first_index: int = 0,
    processes: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
) -> LevelResult:
    """Put the load on the endpoint and keep what comes; blocks until all is answered, failed or stopped.

    `first_index` sets this level's prompts apart from those of the levels before it. Requests under way
    when `stop` is set are cancelled. DatasetError if the workload's dataset cannot be read.
    """
    seed = secrets.randbits(32) if workload.seed is None else workload.seed
    plan = starts(load, seed)
    processes = max(1, min(processes, len(plan)))
    clients = [
        (endpoint, workload, load, _share(load, plan, first_index, number, processes), seed)
        for number in range(processes)
    ]
    if processes == 1:
        taken = [Client(*clients[0]).run(on_progress=on_progress, stop=stop)]
    else:
        Client(*clients[0])  # raises here what it would raise there
        taken = _together(clients, on_progress, stop)
    result = _result(load, taken)
    if endpoint.api_key:
        _hide(endpoint.api_key, result.records)
    return result


def _share(load: Load, plan: np.ndarray, first_index: int, number: int, processes: int) -> Share:
    """Every so many-th request, beginning with the process's number."""
    return Share(
        starts=[int(start) for start in plan[number::processes]],
        requests=None if load.requests is None else len(range(number, load.requests, processes)),
        warmup=len(range(number, load.warmup, processes)),
        first_index=first_index + number,
        step=processes,
    )


def _result(load: Load, taken: list[Taken]) -> LevelResult:
    records = sorted((record for part in taken for record in part.records), key=lambda record: record.index)
    measured = [record for record in records if not record.warmup]
    begin_ns = taken[0].begin_ns
    start_ns = min((record.intended_ns for record in measured), default=begin_ns)
    end_ns = max((record.end_ns for record in measured), default=start_ns)
    lag = send_lag(measured)
    busiest = max(part.busy_s / part.lasted_s for part in taken)
    reason = why_invalid(load, records, lag, busiest)
    return LevelResult(
        load=load,
        records=records,
        started_at=taken[0].started_at + timedelta(microseconds=(start_ns - begin_ns) / 1000),
        start_ns=start_ns,
        duration_s=(end_ns - start_ns) / SECOND_NS,
        client_cpu_s=sum(part.busy_s for part in taken),
        send_lag=lag,
        valid=reason is None,
        invalid_reason=reason,
    )


def _hide(key: str, records: list[Record]) -> None:
    """Take the key out of what an endpoint, which may repeat it, said; even one that the end cut short."""
    for record in records:
        for length in range(len(key), SHOWABLE_OF_KEY, -1):
            if record.error_detail and key[:length] in record.error_detail:
                record.error_detail = record.error_detail.replace(key[:length], "(hidden)")


def send_lag(records: list[Record]) -> Lag:
    """How late the client itself was; the time that connecting took is the network's and the endpoint's."""
    late = [(record.sent_ns - record.intended_ns - record.connect_ns) / 1e6 for record in records]
    return Lag(*(float(value) for value in np.percentile(late or [0.0], (50, 99, 100))))


def _together(
    clients: list[tuple[Any, ...]], on_progress: Callable[[Progress], None] | None, stop: Stop | None
) -> list[Taken]:
    """Run each client in a process of its own; all begin at the same moment."""
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
        raise RuntimeError("a process of the client died") from None
    finally:
        for process in started:
            process.terminate()
            process.join()


def _gather(
    pipes: list[Pipe],
    on_progress: Callable[[Progress], None] | None,
    stop: Stop | None,
    stop_all: Callable[[], None],
) -> list[Taken]:
    """Pass on how it goes until each process has sent what it has taken."""
    told: dict[Any, Progress] = {}
    taken: dict[Any, Taken] = {}
    while len(taken) < len(pipes):
        for pipe in wait([pipe for pipe in pipes if pipe not in taken], POLL_S):
            news: Any = pipe.recv()  # type: ignore[union-attr,call-arg]
            if isinstance(news, Taken):
                taken[pipe] = news
            else:
                told[pipe] = news
        if on_progress and told:
            on_progress(_summed(list(told.values())))
        if stop and stop.is_set():
            stop_all()
    return [taken[pipe] for pipe in pipes]


def _summed(told: list[Progress]) -> Progress:
    return Progress(
        sent=sum(progress.sent for progress in told),
        ended=sum(progress.ended for progress in told),
        failed=sum(progress.failed for progress in told),
        elapsed_s=max(progress.elapsed_s for progress in told),
    )


def _child(arguments: tuple[Any, ...], pipe: Pipe, stop: Stop) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent says what it means

    def begin() -> int:
        pipe.send(None)
        return pipe.recv()

    pipe.send(Client(*arguments).run(begin, pipe.send, stop))
