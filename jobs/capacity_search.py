"""The search for an endpoint's capacity: its levels are measured one after another."""

import time
from collections.abc import Callable
from dataclasses import replace

from llm_measure.capacity import Capacity, Search
from llm_measure.client.levels import Levels
from llm_measure.client.probe import probe_prompts
from llm_measure.endpoints import Endpoint
from llm_measure.find.search import searching
from llm_measure.give_up import GiveUp
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from webapp.capacity import next_start
from webapp.plan.measurement import Measurement
from webapp.store import Connection, runs


def from_last(conn: Connection, measurement: Measurement) -> Measurement:
    """Return the measurement; a search starts at what the newest one of the LLM in the scenario found."""
    if not isinstance(measurement.load, Search):
        return measurement
    found = runs.newest_find(conn, measurement.llm, measurement.scenario)
    start = next_start(found) if found else None
    return replace(measurement, load=replace(measurement.load, start=start))


def search_capacity(
    endpoint: Endpoint,
    workload: Workload,
    search: Search,
    longest_s: float,
    before_level: Callable[[], None],
) -> Capacity:
    """Return the capacity; decided, and None, if even the least load misses the objectives.

    It is undecided if the search takes longer than `longest_s`, or if the endpoint does not answer.
    `before_level` is called before each level; what it raises ends the search. Raises what `measure_level`
    raises.
    """
    workload = workload.seeded()
    levels = _Levels(Levels(endpoint, workload, probe_prompts(endpoint, workload)), longest_s, before_level)
    for found in searching(search, levels.measure):  # noqa: B007  (the last one is the result)
        if levels.is_late:
            break
    return found


class _Levels:
    """The levels of one search, as long as there is time for them."""

    def __init__(self, levels: Levels, longest_s: float, before_level: Callable[[], None]):
        self._levels = levels
        self._longest_s, self._ends_at = longest_s, time.monotonic() + longest_s
        self._before_level = before_level
        self.is_late = False  # whether the time is over, and no other level is to follow

    def measure(self, load: Load) -> LevelResult:
        """Return the level, which is not valid if it was stopped because the time is over."""
        self._before_level()
        give_up = GiveUp(self._levels.workload.timeout_s, self._ends_at - time.monotonic())
        result = self._levels.measure(load, give_up.watch, give_up)
        self.is_late = give_up.is_late
        if self.is_late:
            reason = f"stopped after {self._longest_s:g} s, before the search was decided"
            return replace(result, valid=False, invalid_reason=reason)
        return result
