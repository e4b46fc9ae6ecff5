"""The search for an endpoint's capacity: its levels are measured one after another."""

import time
from collections.abc import Callable
from dataclasses import replace

from llm_measure.capacity import Capacity, Search, find_capacity
from llm_measure.client.level import measure_level
from llm_measure.client.probe import probe_prompts
from llm_measure.endpoints import Endpoint
from llm_measure.give_up import GiveUp
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from webapp.capacity import next_start
from webapp.plan.measurement import Measurement
from webapp.store import Connection, runs

# After this number of levels without a single correct response, the endpoint is down, not slow.
LEVELS_ENOUGH = 2


def from_last(conn: Connection, measurement: Measurement) -> Measurement:
    """Return the measurement; a search starts at what the newest one of the LLM in the scenario found."""
    if not isinstance(measurement.load, Search):
        return measurement
    found = runs.newest_find(conn, measurement.llm, measurement.scenario)
    return replace(measurement, load=replace(measurement.load, start=found and next_start(found)))


def search_capacity(
    endpoint: Endpoint,
    workload: Workload,
    search: Search,
    longest_s: float,
    before_level: Callable[[], None] = lambda: None,
) -> Capacity:
    """Return the capacity; undecided, with the levels measured, if the search takes longer than `longest_s`.

    The same if the endpoint is down. `before_level` is called before each level; what it raises ends the
    search. Raises what `measure_level` raises.
    """
    levels = _Levels(endpoint, workload.seeded(), longest_s, before_level)
    try:
        return find_capacity(search, levels.measure)
    except _EndedEarlyError:
        measured = sum(not record.warmup for level in levels.results for record in level.records)
        return Capacity(search, None, None, None, False, measured, levels=levels.results)


class _EndedEarlyError(Exception):
    """The search is to end with the levels that it has."""


class _Levels:
    """The levels of one search; each prompt is unique among all of them."""

    def __init__(
        self, endpoint: Endpoint, workload: Workload, longest_s: float, before_level: Callable[[], None]
    ):
        self.results: list[LevelResult] = []
        self._endpoint, self._workload = endpoint, workload
        self._longest_s, self._ends_at = longest_s, time.monotonic() + longest_s
        self._before_level = before_level
        self._counting = probe_prompts(endpoint, workload)

    def measure(self, load: Load) -> LevelResult:
        """Return the level; raises _EndedEarlyError if no other is to follow."""
        self._before_level()
        give_up = GiveUp(self._workload.timeout_s, self._ends_at - time.monotonic())
        result = measure_level(
            self._endpoint,
            self._workload,
            load,
            first_index=self._next_index(),
            on_progress=give_up.watch,
            stop=give_up,
            counting=self._counting,
        )
        if give_up.is_late:
            reason = f"stopped after {self._longest_s:g} s, before the search was decided"
            result = replace(result, valid=False, invalid_reason=reason)
        self.results.append(result)
        if give_up.is_late or self._is_down():
            raise _EndedEarlyError
        return result

    def _next_index(self) -> int:
        return max((record.index + 1 for level in self.results for record in level.records), default=0)

    def _is_down(self) -> bool:
        answered = any(record.error is None for level in self.results for record in level.records)
        return len(self.results) >= LEVELS_ENOUGH and not answered
