"""The Python API: measure one load level of an endpoint, or find its capacity."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from llm_measure import apis
from llm_measure.capacity import Capacity, Search
from llm_measure.client.level import measure_level
from llm_measure.client.levels import Levels
from llm_measure.client.probe import probe_prompts
from llm_measure.endpoints import Endpoint
from llm_measure.find.objectives import check_objectives
from llm_measure.find.search import searching
from llm_measure.load.prompts import WORD_BY_WORD
from llm_measure.progress import Progress, Stop
from llm_measure.records import Record
from llm_measure.report.document import document, file_digests, summaries
from llm_measure.results import LevelResult
from llm_measure.stats.summary import Figures
from llm_measure.workloads import Load, Workload

POLL_S = 0.1
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What was measured at one load level of an endpoint."""

    endpoint: Endpoint
    workload: Workload
    level: LevelResult
    file_sha256: dict[str, str] = field(default_factory=dict)  # by the field of the workload that names it

    @cached_property
    def metrics(self) -> dict[str, Figures]:
        """The figures of every metric by name, in the metric's unit: `metrics["ttft"].p95`."""
        return summaries(self.level, self.workload)

    @property
    def records(self) -> list[Record]:
        """Every request, by index, including warm-up and failed ones."""
        return self.level.records

    @property
    def valid(self) -> bool:
        """Whether the figures are the endpoint's; False if the client was the limit."""
        return self.level.valid

    @property
    def invalid_reason(self) -> str | None:
        """Why the level is not valid; None if it is."""
        return self.level.invalid_reason

    def to_dict(self, records: bool = False) -> dict[str, Any]:
        """Return the document that `llm-measure run --format json` writes, with one level."""
        return document(self.endpoint, self.workload, [self.level], records, self.file_sha256)


def measure(  # noqa: PLR0913  (each names a part of the measurement)
    endpoint: Endpoint,
    workload: Workload | None = None,
    load: Load | None = None,
    *,
    processes: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
    probe: bool = True,
) -> Result:
    """Put the load on the endpoint, wait until every request has ended, and return the result.

    By default 32 requests, one after another, of 128 input and at most 128 output tokens; of one input each
    where the API encodes. Variables that the endpoint names as ${VAR}, and that it does not bring, are those
    of the environment. Works in a script and, where an event loop is already running, in a notebook.
    `on_progress` is called ten times a second; what it raises ends the measurement and is raised here. Once
    `stop` is set, requests in flight are cancelled. With `probe`, two requests ahead learn how the endpoint
    counts tokens, so that prompts have the length that was asked for. With several `processes`, a script
    needs the guard `if __name__ == "__main__":`. Raises ValueError if such a variable is not set or a file of
    the endpoint cannot be used, DatasetError and TokenError (both ValueErrors) if the dataset or the command
    for the key cannot be used, ClientProcessError if a process dies.
    """
    endpoint = endpoint.with_variables()
    workload = (workload or Workload(inputs=1 if apis.encodes(endpoint.api) else None)).seeded()
    load = load or Load(concurrency=1, requests=32)
    digests = file_digests(workload)

    def level(stop: Stop | None) -> LevelResult:
        return measure_level(
            endpoint,
            workload,
            load,
            processes=processes,
            on_progress=on_progress,
            stop=stop,
            counting=probe_prompts(endpoint, workload, stop) if probe else WORD_BY_WORD,
        )

    result = _off_the_loop(level, stop) if _loop_is_running() else level(stop)
    return Result(endpoint, workload, result, digests)


def find_capacity(  # noqa: PLR0913  (each names a part of the search)
    endpoint: Endpoint,
    workload: Workload,
    search: Search,
    *,
    processes: int = 1,
    on_progress: Callable[[Capacity], None] | None = None,
    stop: Stop | None = None,
    probe: bool = True,
) -> Capacity:
    """Search for the greatest load that keeps to the objectives; return it with the levels that led to it.

    `on_progress` gets what is known after each level. Once `stop` is set, the search ends with what is known.
    The rest is as for `measure`. Raises what it raises; ValueError for an objective that requests of the
    workload's kind do not have.
    """
    check_objectives(search.slo, workload)
    endpoint, workload = endpoint.with_variables(), workload.seeded()

    def searched(stop: Stop | None) -> Capacity:
        counting = probe_prompts(endpoint, workload, stop) if probe else WORD_BY_WORD
        levels = Levels(endpoint, workload, counting, processes)
        for found in searching(search, lambda load: levels.measure(load, stop=stop)):
            if on_progress:
                on_progress(found)
            if stop and stop.is_set():
                return found.interrupted()
        return found

    return _off_the_loop(searched, stop) if _loop_is_running() else searched(stop)


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Either:
    """Set when either of two is."""

    def __init__(self, one: Stop, other: Stop | None):
        self._one, self._other = one, other

    def is_set(self) -> bool:
        return self._one.is_set() or (self._other is not None and self._other.is_set())


def _off_the_loop(measured: Callable[[Stop | None], T], stop: Stop | None) -> T:
    """Measure in a thread, since a thread has only one running event loop; Ctrl-C stops the measurement."""
    interrupted, task = threading.Event(), asyncio.current_task()
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(measured, _Either(interrupted, stop))
        try:
            while not wait((future,), POLL_S).done:
                if task and task.cancelling():  # as asyncio.run does at Ctrl-C
                    interrupted.set()
        except KeyboardInterrupt:
            interrupted.set()
            raise
    return future.result()
