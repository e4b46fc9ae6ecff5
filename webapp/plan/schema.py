"""The fields of a benchmark file and their valid values."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from marshmallow import ValidationError, fields, validate, validates_schema

from llm_measure import apis
from llm_measure.capacity import LEAST_BUDGET, LoadKind
from llm_measure.distributions import file_of
from llm_measure.endpoints import Endpoint
from llm_measure.metrics import kind_of
from llm_measure.workloads import (
    DISTRIBUTED,
    MOST_INPUTS,
    MOST_TURNS,
    WHOLE_CONVERSATIONS,
    Expected,
    Workload,
)
from webapp.plan import searches
from webapp.plan.fields import (
    NAME,
    Command,
    Drawn,
    Levels,
    StrictSchema,
    number_field,
    variable,
    whole_field,
)
from webapp.plan.rules import RuleSchema
from webapp.scenarios import REGION, REGION_RULE

MEASURED = ("llms", "workloads")
MOST_SHARDS = 64
# Fields of workloads that are no trace, which brings its lengths and moments.
NOT_OF_TRACES = ("input_tokens", "output_tokens", "inputs", "dataset", "unique_prompts", "concurrency",
                 "rate", "arrival", "duration", "warmup")  # fmt: skip
# Of a workload; their paths start at the file's folder.
FILES = ("dataset", "trace", "answer_schema")
DEPENDENT_FIELDS = ("base_url", "model", "api", "max_tokens_field", "stream_usage")  # on one another


def _endpoint_field(name: str) -> Callable[[Any], None]:
    """Return a check of one of the endpoint's fields by the measuring library."""

    def check(value: Any) -> None:
        try:
            Endpoint(**{"base_url": "http://localhost", "model": "model", name: value})
        except ValueError as error:
            raise refused(error) from None

    return check


def _check_window(moments: list[float]) -> None:
    if not moments[0] < moments[-1]:
        raise ValidationError("must be two moments, the second one later")


def _check_unique(regions: list[str]) -> None:
    if len(set(regions)) < len(regions):
        raise ValidationError("duplicate region")


def _check_json(value: dict[str, Any]) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValidationError("must be valid in JSON: no dates, .nan or .inf") from None


class LLMSchema(StrictSchema):
    """An LLM and where it is served."""

    name = fields.String(required=True, validate=NAME)
    company_name = fields.String(validate=NAME)
    provider = fields.String(validate=NAME)
    base_url = fields.String(required=True, validate=_endpoint_field("base_url"))
    model = fields.String(required=True, validate=[validate.Length(1, 200), _endpoint_field("model")])
    api = fields.String(load_default="chat", validate=_endpoint_field("api"))
    api_key_env = fields.String(load_default=None, validate=variable("key"))
    headers = fields.Dict(
        keys=fields.String(), values=fields.String(), validate=_endpoint_field("headers"), load_default=dict
    )
    key_header = fields.String(load_default=None, validate=_endpoint_field("key_header"))
    key_scheme = fields.String(load_default=None, validate=_endpoint_field("key_scheme"))
    max_tokens_field = fields.String(load_default="max_tokens", validate=_endpoint_field("max_tokens_field"))
    stream_usage = fields.Boolean(load_default=True)
    http2 = fields.Boolean(load_default=False)
    extra_body = fields.Dict(keys=fields.String(), validate=_check_json, load_default=dict)
    token_command = Command(load_default=())
    ca_file = fields.String(load_default=None)
    client_cert = fields.String(load_default=None)
    client_key = fields.String(load_default=None)
    insecure = fields.Boolean(load_default=False)
    rank_insecure = fields.Boolean(load_default=False)
    proxy = fields.String(load_default=None, validate=_endpoint_field("proxy"))
    workloads = fields.List(fields.String())

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_key(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Refuse options of a key where there is none, two keys, and a consent to nothing."""
        named = original if isinstance(original, dict) else {}
        faults = {}
        if not named.keys() & {"api_key_env", "token_command"}:
            lost = named.keys() & {"key_header", "key_scheme"}
            faults = {name: ["needs api_key_env or token_command"] for name in lost}
        if named.keys() >= {"api_key_env", "token_command"}:
            faults["token_command"] = ["expected either api_key_env or token_command"]
        if "rank_insecure" in named and "insecure" not in named:
            faults["rank_insecure"] = ["needs insecure"]
        if faults:
            raise ValidationError(faults)

    @validates_schema(skip_on_field_errors=True)
    def check_endpoint(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Check options that apply to some APIs alone."""
        try:
            Endpoint(**{name: data[name] for name in DEPENDENT_FIELDS})
        except ValueError as error:
            raise refused(error) from None


class WorkloadSchema(StrictSchema):
    """What is asked, and at which levels."""

    name = fields.String(required=True, validate=NAME)
    description = fields.String(validate=validate.Length(1, 500))
    input_tokens = Drawn(1, 10_000_000)
    output_tokens = Drawn(1, 10_000_000)
    inputs = whole_field(1, MOST_INPUTS)
    dataset = fields.String(validate=validate.Length(1))
    unique_prompts = fields.Boolean()
    shared_prefix = number_field(0, 1)
    prefixes = whole_field(1, 1_000_000)
    concurrency = Levels(whole_field(1, 100_000))
    rate = Levels(number_field(0.001, 100_000))
    arrival = fields.String(validate=validate.OneOf(("poisson", "constant")))
    trace = fields.String(validate=validate.Length(1))
    speed = Levels(number_field(0.001, 100_000))
    window = fields.List(
        number_field(0, 1_000_000_000),
        validate=[validate.Length(2, 2, error="must be two moments"), _check_window],
    )
    requests = whole_field(1, 1_000_000)
    duration = number_field(1, 86_400)
    warmup = whole_field(0, 100_000, load_default=0)
    timeout = number_field(0.1, 3_600, load_default=60.0)
    slo = fields.Dict(keys=fields.String(), values=number_field(0.000_001, 86_400), load_default=dict)
    find = fields.String(validate=validate.OneOf(get_args(LoadKind)))
    confidence = number_field(0.5, 0.9999)
    budget = whole_field(LEAST_BUDGET, 10_000_000)
    extra_body = fields.Dict(keys=fields.String(), validate=_check_json, load_default=dict)
    expects = fields.String(validate=validate.OneOf(get_args(Expected)))
    answer_schema = fields.String(validate=validate.Length(1))
    turns = Drawn(1, MOST_TURNS, WHOLE_CONVERSATIONS)
    think_time = Drawn(0, 86_400, whole=False)
    interval = number_field(1 / 60, 10_080)
    shards = whole_field(1, MOST_SHARDS, load_default=1)
    regions = fields.List(
        fields.String(validate=validate.Regexp(REGION, error=REGION_RULE)),
        validate=[validate.Length(1), _check_unique],
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_choices(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Require one kind of level and one kind of end; refuse fields that do not apply."""
        if not isinstance(original, dict):
            return
        faults = _trace_faults(original) | searches.faults(original)
        is_level = not original.keys() & {"trace", "find"}
        for one, other in (("concurrency", "rate"), ("requests", "duration")) if is_level else ():
            if (one in original) == (other in original):
                faults[other if other in original else one] = [f"expected either {one} or {other}"]
        if "arrival" in original and not original.keys() & {"rate", "find"}:
            faults["arrival"] = ["applies only to a rate"]
        if "dataset" in original and "input_tokens" in original:
            faults["dataset"] = ["expected either dataset or input_tokens"]
        if "inputs" in original and "output_tokens" in original:
            faults["output_tokens"] = ["does not apply to a workload with inputs"]
        if faults:
            raise ValidationError(faults)

    @validates_schema(skip_on_field_errors=True)
    def check_workload(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Check the objectives by name, and the whole workload by the measuring library."""
        if faults := searches.unknown_objectives(data["slo"], kind_of(data.get("inputs")), "find" in data):
            raise ValidationError({"slo": faults})
        try:
            workload(data, Path())
            if "find" in data:
                searches.search(data)
        except ValueError as error:
            raise refused(error) from None

    @validates_schema(skip_on_field_errors=True)
    def check_shards(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse more shards than there is work for: streams of each level, and requests."""
        limits = {
            "streams of a level": min(data.get("concurrency", [MOST_SHARDS])),
            "requests": data.get("requests", MOST_SHARDS),
        }
        for of_what, most in limits.items():
            if data["shards"] > most:
                raise ValidationError(f"expected at most {most}, the number of {of_what}", "shards")


class FileSchema(StrictSchema):
    """The whole file; one that only has `notify` is for the simulation."""

    llms = fields.List(fields.Nested(LLMSchema), validate=validate.Length(1), load_default=list)
    workloads = fields.List(fields.Nested(WorkloadSchema), validate=validate.Length(1), load_default=list)
    notify = fields.List(fields.Nested(RuleSchema), validate=validate.Length(1), load_default=list)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_parts(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Require LLMs and workloads, or neither if there are rules of notifications."""
        if not isinstance(original, dict):
            return
        lost = [name for name in MEASURED if name not in original]
        if lost and ("notify" not in original or len(lost) == 1):
            raise ValidationError({name: ["missing data for required field."] for name in lost})

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
        faults = {number: _kind_fault(llm, data["workloads"]) for number, llm in enumerate(data["llms"])}
        if faults := {number: fault for number, fault in faults.items() if fault}:
            raise ValidationError({"llms": faults})


def _trace_faults(original: Mapping[str, Any]) -> dict[str, Any]:
    """Return the faults of fields that only a trace has, or that mean nothing to one."""
    if "trace" in original:
        return {name: ["does not apply to a trace"] for name in NOT_OF_TRACES if name in original}
    return {name: ["needs trace"] for name in ("speed", "window") if name in original}


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


def _kind_fault(llm: Mapping[str, Any], workloads: list[dict[str, Any]]) -> dict[str, Any] | None:
    reasons = {asked["name"]: _why_unsuitable(llm, asked) for asked in workloads}
    named = {i: reasons[name] for i, name in enumerate(llm.get("workloads", ())) if reasons.get(name)}
    if named:
        return {"workloads": {i: [f"unsuitable; {reason}"] for i, reason in named.items()}}
    if "workloads" not in llm and all(reasons.values()):
        return {"api": [f"no workload for it; {next(iter(reasons.values()))}"]}
    return None


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


def refused(error: ValueError) -> ValidationError:
    """Return an error of the measuring library, `field=value: problem`, as a fault of that field."""
    found = re.match(r"(\w+?)(?:_s)?(?:=.*?)?: (.*)", str(error))
    return ValidationError(found[2], found[1]) if found else ValidationError(str(error))


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
