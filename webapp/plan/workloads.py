"""A declared workload as the measuring library has it: what is asked, and the levels."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_measure.capacity import Search
from llm_measure.distributions import file_of
from llm_measure.workloads import DISTRIBUTED, Load, Workload
from webapp.plan.searches import search

FILES = ("dataset", "trace", "answer_schema")  # whose paths start at the file's folder


def workload(declared: Mapping[str, Any], folder: Path) -> Workload:
    """Return a declared workload for the measuring library; paths start at `folder`."""
    same = ("inputs", "unique_prompts", "shared_prefix", "prefixes", "slo", "extra_body", "expects")
    chosen = {name: declared[name] for name in same if name in declared}
    if "find" in declared:  # whose objectives are of levels, not of requests
        del chosen["slo"]
    for name in DISTRIBUTED:
        if name in declared:
            path = file_of(declared[name])
            chosen[name] = f"file:{folder / path}" if path else declared[name]
    for name in FILES:
        if name in declared:
            chosen[name] = str(folder / declared[name])
    if {"trace", "window"} <= declared.keys():
        chosen["trace_window"] = tuple(declared["window"])
    return Workload(timeout_s=declared["timeout"], **chosen)


def loads(declared: Mapping[str, Any]) -> Iterator[Load | Search]:
    """Yield the levels of a declared workload, or its search."""
    if "find" in declared:
        yield search(declared)
    for speed in declared.get("speed", (1.0,)) if "trace" in declared else ():
        yield Load(speed=speed, requests=declared.get("requests"))
    rest = {
        "requests": declared.get("requests"),
        "duration_s": declared.get("duration"),
        "warmup": declared["warmup"],
    }
    for concurrency in declared.get("concurrency", ()):
        yield Load(concurrency=concurrency, **rest)
    for rate in declared.get("rate", ()):
        yield Load(rate=rate, arrival=declared.get("arrival", "poisson"), **rest)
