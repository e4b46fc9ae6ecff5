"""The parts of a benchmark file, and how they refer to one another."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from webapp.plan.fields import MISSING, SOME, StrictSchema
from webapp.plan.llm_schema import LLMSchema
from webapp.plan.rules import RuleSchema
from webapp.plan.suitability import unsuitable
from webapp.plan.workload_schema import WorkloadSchema

MEASURED = ("llms", "workloads")


class FileSchema(StrictSchema):
    """The whole file; one that only has `notify` is for the simulation."""

    llms = fields.List(fields.Nested(LLMSchema), validate=SOME, load_default=list)
    workloads = fields.List(fields.Nested(WorkloadSchema), validate=SOME, load_default=list)
    notify = fields.List(fields.Nested(RuleSchema), validate=SOME, load_default=list)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_parts(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Require LLMs and workloads, or neither if there are rules of notifications."""
        if not isinstance(original, dict):
            return
        lost = [name for name in MEASURED if name not in original]
        if lost and ("notify" not in original or len(lost) == 1):
            raise ValidationError({name: [MISSING] for name in lost})

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_names(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Refuse duplicate names and unknown workloads."""
        llms, workloads, rules = (_mappings(original, kind) for kind in ("llms", "workloads", "notify"))
        faults = {
            "llms": _duplicates(llms),
            "workloads": _duplicates(workloads),
            "notify": _duplicates(rules, "target"),
        }
        known = [workload.get("name") for workload in workloads.values()]
        for number, llm in llms.items():
            named = llm.get("workloads")
            lost = [i for i, name in enumerate(named if isinstance(named, list) else ()) if name not in known]
            if lost:
                of_llm = faults["llms"].setdefault(number, {})
                message = f"unknown workload; expected one of {', '.join(map(str, known))}"
                of_llm["workloads"] = {i: [message] for i in lost}
        if faults := {kind: found for kind, found in faults.items() if found}:
            raise ValidationError(faults)

    @validates_schema(skip_on_field_errors=True)
    def check_kinds(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse an LLM whose API does not answer the workloads that it names, or any."""
        faults = {number: unsuitable(llm, data["workloads"]) for number, llm in enumerate(data["llms"])}
        if faults := {number: fault for number, fault in faults.items() if fault}:
            raise ValidationError({"llms": faults})


def _mappings(original: Any, kind: str) -> dict[int, dict[str, Any]]:
    """Return the mappings of a list by their index."""
    listed = original.get(kind) if isinstance(original, dict) else None
    if not isinstance(listed, list):
        return {}
    return {i: part for i, part in enumerate(listed) if isinstance(part, dict)}


def _duplicates(parts: dict[int, dict[str, Any]], field: str = "name") -> dict[int, dict[str, Any]]:
    names: list[Any] = []
    faults: dict[int, dict[str, Any]] = {}
    for number, part in parts.items():
        if part.get(field) in names:
            faults[number] = {field: [f"duplicate {field}"]}
        names.append(part.get(field) or object())
    return faults
