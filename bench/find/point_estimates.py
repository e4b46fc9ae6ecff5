"""The search that takes each level's share for the truth: doubling, then bisection."""

from collections.abc import Callable
from math import sqrt

from llm_measure.capacity import Search
from llm_measure.find.course import TOLERANCE
from llm_measure.find.level import stay_s, steady
from llm_measure.find.objectives import targets
from llm_measure.find.search import LEAST_REQUESTS, PROBE_REQUESTS, WARMUP
from llm_measure.results import LevelResult
from llm_measure.workloads import Load

REQUESTS = 500  # of each level


def find_by_points(search: Search, measure: Callable[[Load], LevelResult]) -> tuple[float, int]:
    """Return the capacity and the number of requests spent."""
    spent = 0

    def is_met(load: float) -> bool:
        nonlocal spent
        requests = max(LEAST_REQUESTS, REQUESTS)
        warmup = int(requests * WARMUP)
        spent += requests + warmup
        if search.kind == "rate":
            result = measure(Load(rate=load, requests=requests, warmup=warmup))
        else:
            result = measure(Load(concurrency=int(load), requests=requests, warmup=warmup))
        records = steady(result.records)
        return all(
            (target.values(records).values > target.bound).mean() <= target.allowed
            for target in targets(search.slo)
        )

    high = 1.0
    if search.kind == "rate":
        high = 1 / stay_s(measure(Load(concurrency=1, requests=PROBE_REQUESTS)).records)
    while is_met(high):
        high *= 2
    low = high / 2
    while high / low > TOLERANCE and (search.kind == "rate" or high - low > 1):
        middle = sqrt(low * high) if search.kind == "rate" else (low + high) // 2
        low, high = (middle, high) if is_met(middle) else (low, middle)
    return (sqrt(low * high) if search.kind == "rate" else low), spent
