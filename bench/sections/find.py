"""The capacity search in real time, against the mock server, whose capacity is known."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from bench.find.point_estimates import find_by_points
from bench.find.truth import queue_capacity, slowdown_capacity
from bench.harness import Row
from llm_measure.capacity import Search
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.find.search import find_capacity
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import Numbers
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from webapp.settings import Settings

RUNS = int(os.environ.get("BENCH_FIND_RUNS", "20"))
NEAR, LEAST_NEAR = 0.05, 19 / 20
SERVERS, TOKENS, TTFT, ITL = 16, 4, 0.0025, 0.0075
SERVICE_S, BOUND = TTFT + ITL * (TOKENS - 1), 0.02
SLOW_TTFT, SLOWDOWN, SLOW_BOUND = 0.06, 0.05, 0.1215


@dataclass(frozen=True)
class Trial:
    """An endpoint of known capacity, and the search for it."""

    name: str
    behaviour: Behaviour
    search: Search
    capacity: float


QUEUE = Trial(
    "M/M/16 queue, by rate",
    Behaviour(ttft=TTFT, itl=ITL, output_tokens=TOKENS, servers=SERVERS, service_cv=1.0),
    Search("rate", {"ttft:p95": BOUND}),
    queue_capacity(SERVERS, SERVICE_S, TTFT, BOUND, 0.05),
)
SLOW = Trial(
    "slow-down per stream, by concurrency",
    Behaviour(ttft=SLOW_TTFT, itl=0.0, output_tokens=1, slowdown_per_stream=SLOWDOWN),
    Search("concurrency", {"ttft:p95": SLOW_BOUND}, budget=6_000),
    slowdown_capacity(SLOW_TTFT, SLOWDOWN, SLOW_BOUND),
)


def measure(settings: Settings) -> list[Row]:
    """20 seeded searches each, and the same by point estimates alone; BENCH_FIND_RUNS makes them fewer."""
    return [row for trial in (QUEUE, SLOW) for row in _rows(trial)]


def _rows(trial: Trial) -> list[Row]:
    by_bounds, by_points = [], []
    for seed in range(RUNS):
        with running_mock_server(replace(trial.behaviour, seed=seed)) as url:
            found = find_capacity(trial.search, _measuring(url, seed))
            by_bounds.append((found.capacity or 0.0, found.requests))
            by_points.append(find_by_points(trial.search, _measuring(url, seed + RUNS)))
        print(
            f"  {trial.name}, seed {seed}: {by_bounds[-1]} by bounds, {by_points[-1]} by points", flush=True
        )
    near, near_points = (
        sum(abs(capacity / trial.capacity - 1) <= NEAR for capacity, _ in found) / RUNS
        for found in (by_bounds, by_points)
    )
    spent, spent_points = (median(requests for _, requests in found) for found in (by_bounds, by_points))
    return [
        Row(f"{trial.name}: median capacity / the closed form", "", median(each for each, _ in by_bounds),
            trial.capacity),
        Row(f"{trial.name}: found within 5 % / the bound", "%", 100 * near, 100 * LEAST_NEAR,
            near / LEAST_NEAR, at_least=1),
        Row(f"{trial.name}: found within 5 % / by point estimates", "%", 100 * near, 100 * near_points),
        Row(f"{trial.name}: requests / by point estimates", "", spent, spent_points),
    ]  # fmt: skip


def _measuring(url: str, seed: int) -> Callable[[Load], LevelResult]:
    """Return what measures a level of the endpoint, each with other prompts and arrivals."""
    endpoint, workload = Endpoint(url, "mock"), Workload(input_tokens=8, output_tokens=TOKENS, seed=seed)
    first = Numbers()

    def measured(load: Load) -> LevelResult:
        nonlocal first
        result = measure_level(endpoint, workload, load, first=first)
        first = first.after(result.records)
        return result

    return measured
