"""A search for the capacity stored as a run: the requests of all its levels, and what it found."""

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from llm_measure.capacity import Capacity
from llm_measure.metrics.rates import Rates
from llm_measure.records import SECOND_NS
from llm_measure.report.facts import facts
from llm_measure.results import LevelResult, SendLag
from llm_measure.workloads import Workload
from webapp.capacity import bounds, bracket, requests_per_second
from webapp.ingest.attempt import Attempt
from webapp.ingest.persist import sound_level, store
from webapp.store import Connection


def persist_search(  # noqa: PLR0913  (each is a part of what is stored)
    conn: Connection,
    attempt: Attempt,
    workload: Workload,
    found: Capacity,
    rank_insecure: bool = False,
    *,
    server: str | None = None,
) -> str | None:
    """Write the requests of all levels and the outcome in one transaction, and commit, as `persist` does.

    The run has one point, its `capacity`. Metrics of requests would mix levels, and so would the error rate,
    of errors that the search provokes. A search that left too much open, also because the client could not
    hold a level, becomes an invalid run; one without a single correct response, a failed one.
    """
    if not attempt.hold(conn):
        return None
    start_ns = found.levels[0].start_ns
    levels = [sound_level(level, start_ns) for level in found.levels]
    whole = _whole(found, levels)
    described = {**summary(workload, found, whole), **({"server": server} if server else {})}
    values = {"capacity": np.array([requests_per_second(described["find"])])} if found.is_known else {}
    return store(conn, attempt, levels, whole, described, lambda: values, rank_insecure)


def summary(workload: Workload, found: Capacity, whole: LevelResult) -> dict[str, Any]:
    """Return what describes a search as a whole; its metric is derived from this."""
    described, find = facts(workload, whole), _finite(found.to_dict())
    return {
        "level": found.search.name,
        "slo": found.search.slo,
        "extra_body": workload.extra_body,
        "find": find,
        "capacity_bounds": bounds(find),  # of which rankings take the interval of a single search
        **{name: value for name, value in described.items() if name not in _OF_ONE_LEVEL},
    }


_OF_ONE_LEVEL = {field.name for field in fields(Rates)}


def _whole(found: Capacity, levels: list[LevelResult]) -> LevelResult:
    """Return the levels, whose records have times since the first one, as one result."""
    records = [record for level in levels for record in level.records]
    ends = [record.end_ns for record in records if not record.warmup]
    reason = None if found.is_known else _why_undecided(found)
    return replace(
        levels[0],
        records=records,
        duration_s=max(ends, default=0) / SECOND_NS,
        client_cpu_s=sum(level.client_cpu_s for level in levels),
        client_wait_s=sum(level.client_wait_s for level in levels),
        clock="kernel" if all(level.clock == "kernel" for level in levels) else "client",
        send_lag=SendLag.of(records),
        valid=reason is None,
        invalid_reason=reason,
        repeated_prompts=sum(level.repeated_prompts for level in levels),
    )


def _why_undecided(found: Capacity) -> str:
    """Return why, and what is known: the search says why, unless its last level was stopped."""
    last = found.levels[-1]
    why = found.reason or (
        f"undecided after {found.requests} requests"
        if last.valid
        else f"{last.load.name}: {last.invalid_reason}"
    )
    return f"{why}; the capacity is {bracket(found.to_dict())}"


def _finite(value: Any) -> Any:
    """Return the value without infinite numbers, which JSON does not have; None instead."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
