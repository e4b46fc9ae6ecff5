"""Searches for the capacity: their objectives, and what a workload that is searched for has, or has not."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from llm_measure.capacity import Search
from llm_measure.metrics import METRICS, Kind

# What the search decides instead.
LEFT_OUT = ("concurrency", "rate", "arrival", "trace", "requests", "duration", "warmup", "shards")
NEEDING = ("confidence", "budget")
QUANTILE = r"p[5-9][0-9](\.[0-9]{1,3})?"


def search(declared: Mapping[str, Any]) -> Search:
    """Return the search of a declared workload that has `find`."""
    given = {name: declared[name] for name in NEEDING if name in declared}
    return Search(declared["find"], declared["slo"], **given)


def faults(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the faults of a workload by field: what excludes or needs `find`."""
    if "find" not in given:
        return {name: ["needs find"] for name in NEEDING if name in given}
    found = {name: [f"expected either find or {name}"] for name in LEFT_OUT if name in given}
    return found if given.get("slo") else {**found, "find": ["needs slo"]}


def unknown_objectives(names: Iterable[Any], kind: Kind, is_search: bool) -> dict[Any, list[str]]:
    """Return the faults of objectives by name: a search has quantiles, anything else what requests have."""
    known = METRICS.objectives(kind)
    if not is_search:
        message = f"unknown objective; expected one of {', '.join(known)}"
        needing = re.compile(pattern(known))
        return {
            name: ["needs find" if needing.fullmatch(str(name)) else message]
            for name in names
            if name not in known
        }
    message = (
        f"unknown objective; expected error_rate, or a quantile such as {known[0]}:p95 of {', '.join(known)}"
    )
    return {name: [message] for name in names if not re.fullmatch(pattern(known), str(name))}


def pattern(known: Iterable[str]) -> str:
    """Return the regular expression of a search's objectives of these metrics."""
    return rf"error_rate|({'|'.join(known)}):{QUANTILE}"
