"""How the JSON document states a level's load."""

from collections.abc import Mapping
from typing import Any

from llm_measure.workloads import Load

KINDS = ("concurrency", "rate", "speed")


def stated(load: Load) -> dict[str, Any]:
    """Return the fields of a level that state its load."""
    pattern = "closed" if load.concurrency else "trace" if load.speed else load.arrival
    (kind,) = (name for name in KINDS if getattr(load, name) is not None)
    return {"pattern": pattern, kind: getattr(load, kind)}


def kind_of(level: Mapping[str, Any]) -> str:
    """Return which one of KINDS the level has."""
    return next(name for name in KINDS if name in level)


def title(level: Mapping[str, Any]) -> str:
    """Return the level's load in words."""
    kind = kind_of(level)
    if kind == "concurrency":
        return f"concurrency {level[kind]}"
    return (
        f"trace at {level[kind]:g}x" if kind == "speed" else f"{level['pattern']} arrivals, {level[kind]:g}/s"
    )
