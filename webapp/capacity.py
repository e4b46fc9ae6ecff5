"""The result of a search for the capacity, as runs have it: the part `find` of the JSON report."""

import math
from collections.abc import Mapping
from typing import Any

from llm_measure.report.numbers import shown

Find = Mapping[str, Any]


def is_throughput(find: Find) -> bool:
    """Return whether the metric `capacity` is a measured throughput, since loads are not requests/s."""
    return find["unit"] != "requests/s"


def requests_per_second(find: Find) -> float:
    """Return the value of the metric `capacity`; 0 if no load is known to meet the objectives.

    Of a load that counts streams or conversations, it is the throughput at the greatest that met them.
    """
    if find["capacity"] is None:
        return 0.0
    if not is_throughput(find):
        return find["capacity"]
    greatest = greatest_met(find)
    return (greatest and greatest["throughput"]) or 0.0


def greatest_met(find: Find) -> Mapping[str, Any] | None:
    """Return the level of the greatest load that met the objectives, up to the capacity; None if none did."""
    met = [step for step in find["path"] if step["verdict"] == "met" and step["load"] <= find["capacity"]]
    return max(met, key=lambda step: step["load"], default=None)


def bounds(find: Find) -> tuple[float, float] | None:
    """Return between which requests/s the capacity is; None if the search has found no upper bound."""
    if find["high"] is None:
        return None
    low, high = find["low"] or 0.0, find["high"]
    if is_throughput(find):
        throughput = {step["load"]: step["throughput"] or 0.0 for step in find["path"]}
        low, high = throughput.get(low, 0.0), throughput.get(high, 0.0)
    known = (low, high, requests_per_second(find))
    return min(known), max(known)


def bracket(find: Find) -> str:
    """Return between which loads the capacity is, in words, such as "12.1 to 12.8 requests/s"."""
    low, high = (None if find[end] is None else shown(find[end]) for end in ("low", "high"))
    if low is None and high is None:
        return "unknown"
    loads = f"less than {high}" if low is None else f"at least {low}" if high is None else f"{low} to {high}"
    return f"{loads} {find['unit']}"


def next_start(find: Find) -> float | None:
    """Return the load at which the next search starts: the capacity, the middle of its bracket, or the least.

    None if no load is known to meet the objectives, since a start too far from the capacity costs requests.
    """
    low, high = find["low"], find["high"]
    if low is None or high is None:
        return low
    return find["capacity"] or math.sqrt(low * high)
