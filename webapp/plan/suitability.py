"""Which LLMs can answer which workloads, by what their APIs have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_measure import apis
from llm_measure.endpoints import Endpoint
from webapp.plan.llm_schema import DEPENDENT_FIELDS
from webapp.plan.workloads import workload


def takes_part(llm: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Return whether the LLM's API can answer the workload."""
    return _why_unsuitable(llm, asked) is None


def _why_unsuitable(llm: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Return why the LLM's API cannot answer the workload, as what is expected instead; None if it can."""
    if apis.encodes(llm["api"]) != ("inputs" in asked):
        wanted = "with" if apis.encodes(llm["api"]) else "without"
        return f"expected a workload {wanted} inputs, as the {llm['api']} API needs"
    try:
        Endpoint(**{name: llm[name] for name in DEPENDENT_FIELDS}).asked(workload(asked, Path()))
    except ValueError as error:
        return str(error)
    return None


def unsuitable(llm: Mapping[str, Any], workloads: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the faults of an LLM that can answer no workload, or not each that it names; None if it can."""
    reasons = {asked["name"]: _why_unsuitable(llm, asked) for asked in workloads}
    named = {i: reasons[name] for i, name in enumerate(llm.get("workloads", ())) if reasons.get(name)}
    if named:
        return {"workloads": {i: [f"unsuitable; {reason}"] for i, reason in named.items()}}
    if "workloads" not in llm and all(reasons.values()):
        return {"api": [f"no workload for it; {next(iter(reasons.values()))}"]}
    return None
