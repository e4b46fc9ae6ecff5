"""One load level, from its plan to its result, by one process or several."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from llm_measure.client.client import Client
from llm_measure.client.processes import run_in_processes
from llm_measure.client.share import ClientResult, Share
from llm_measure.client.token_command import ask
from llm_measure.endpoints import Endpoint
from llm_measure.load.arrivals import starts
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.sources import Sources
from llm_measure.load.traces import replayed
from llm_measure.progress import Progress, Stop
from llm_measure.records import SECOND_NS, Numbers, Record
from llm_measure.results import LevelResult, SendLag
from llm_measure.validity import why_invalid
from llm_measure.workloads import Load, Workload

FIRST = Numbers()


def measure_level(  # noqa: PLR0913  (each names a part of the measurement)
    endpoint: Endpoint,
    workload: Workload,
    load: Load,
    *,
    first: Numbers = FIRST,
    processes: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
    counting: Counting = WORD_BY_WORD,
) -> LevelResult:
    """Put the load on the endpoint, wait until every request has ended, and return the level.

    `first` sets this level's prompts apart from those of earlier levels. `on_progress` is called ten
    times a second; what it raises ends the level and is raised here. Once `stop` is set, requests in flight
    are cancelled. `counting` decides how many words the prompts have, see `probe_prompts`. Raises
    DatasetError, TokenError, ClientProcessError; ValueError for a trace without a speed, and the reverse.
    """
    workload = workload.seeded()
    seed = workload.seed or 0
    sources = Sources.of(workload, load, seed)
    # The first index is in it, so that a level that is repeated has other arrivals.
    plan = starts(load, (seed, first.request), sources.trace)
    processes = max(1, min(processes, len(plan)))
    token = ask(endpoint.token_command, stop) if endpoint.token_command else None
    clients = [
        (endpoint, workload, load, _share(load, plan, first, number, processes), seed, token, counting)
        for number in range(processes)
    ]
    if processes == 1:
        parts = [Client(*clients[0]).run(on_progress=on_progress, stop=stop)]
    else:
        Client(*clients[0])  # raises here what it would raise in a child
        parts = run_in_processes(clients, on_progress, stop)
    level = merge(endpoint, sources, load, parts, counting)
    return replace(level, stopped=stop is not None and stop.is_set())


def measure_share(  # noqa: PLR0913  (each names a part of the measurement)
    endpoint: Endpoint,
    workload: Workload,
    load: Load,
    *,
    number: int,
    shares: int,
    begin: Callable[[], int],
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
    counting: Counting = WORD_BY_WORD,
) -> ClientResult:
    """Put one of the load's shares on the endpoint, by this process, and return its result.

    Other machines measure the other shares, numbered from 0, with the same workload, whose seed is set, and
    the same counting. `begin` is called when all is ready and returns the moment of this machine's monotonic
    clock, in ns, at which the level begins. Raises like `measure_level`, and what `begin` raises.
    """
    seed = workload.seeded().seed or 0
    plan = starts(load, (seed, 0), replayed(workload, load))
    token = ask(endpoint.token_command, stop) if endpoint.token_command else None
    share = _share(load, plan, FIRST, number, shares)
    client = Client(endpoint, workload, load, share, seed, token, counting)
    return client.run(begin, on_progress, stop)


def _share(load: Load, plan: np.ndarray, first: Numbers, number: int, processes: int) -> Share:
    """Deal the requests out to the processes in turn."""
    return Share(
        starts=[int(start) for start in plan[number::processes]],
        requests=None if load.requests is None else len(range(number, load.requests, processes)),
        warmup=len(range(number, load.warmup, processes)),
        first=Numbers(first.request + number, first.conversation + number),
        step=processes,
        level_index=first.request,
    )


def merge(
    endpoint: Endpoint, sources: Sources, load: Load, parts: Sequence[ClientResult], counting: Counting
) -> LevelResult:
    """Return the level that the results of all shares are together; moments are all of one clock."""
    records = sorted((record for part in parts for record in part.records), key=lambda record: record.index)
    measured = [record for record in records if not record.warmup]
    begin_ns = parts[0].begin_ns
    start_ns = min((record.intended_ns for record in measured), default=begin_ns)
    end_ns = max((record.end_ns for record in measured), default=start_ns)
    times = [part.time for part in parts]
    reason = why_invalid(load, records, times)
    return LevelResult(
        load=load,
        records=records,
        started_at=parts[0].started_at + timedelta(microseconds=(start_ns - begin_ns) / 1000),
        start_ns=start_ns,
        duration_s=(end_ns - start_ns) / SECOND_NS,
        client_cpu_s=sum(time.busy_s for time in times),
        client_wait_s=max(time.waited_s for time in times),
        clock="kernel" if all(part.has_kernel_times for part in parts) else "client",
        http_version=parts[0].http_version,
        send_lag=SendLag.of(records),
        valid=reason is None,
        invalid_reason=reason,
        transport=endpoint.transport,
        repeated_prompts=sum(_number(record) >= sources.rows for record in measured)
        if sources.rows is not None
        else 0,
        counting=counting,
        lengths=sources.lengths,
        trace=sources.trace.facts if sources.trace else None,
    )


def _number(record: Record) -> int:
    """Return the number by which a dataset's row was chosen."""
    return record.index if record.conversation is None else record.conversation
