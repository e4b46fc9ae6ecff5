"""The fields of a workload in a benchmark file, and their valid values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from marshmallow import ValidationError, fields, validate, validates_schema

from llm_measure.capacity import LEAST_BUDGET, LEAST_CONFIDENCE, MOST_CONFIDENCE, LoadKind
from llm_measure.find.objectives import NO_GAPS, gapless
from llm_measure.limits import MAX_TOKENS
from llm_measure.metrics import kind_of
from llm_measure.workloads import MOST_INPUTS, MOST_TURNS, WHOLE_CONVERSATIONS, Expected
from webapp.plan import searches
from webapp.plan.fields import (
    NAME,
    PATH,
    SOME,
    Drawn,
    Levels,
    StrictSchema,
    check_json,
    number_field,
    one_of,
    refused,
    whole_field,
)
from webapp.plan.workloads import workload
from webapp.scenarios import REGION, REGION_RULE

MOST_SHARDS = 64
# Fields of workloads that are no trace, which brings its lengths and moments.
NOT_OF_TRACES = ("input_tokens", "output_tokens", "inputs", "dataset", "unique_prompts", "concurrency",
                 "rate", "arrival", "duration", "warmup")  # fmt: skip


def _check_window(moments: list[float]) -> None:
    if not moments[0] < moments[-1]:
        raise ValidationError("must be two moments, the second one later")


def _check_unique(regions: list[str]) -> None:
    if len(set(regions)) < len(regions):
        raise ValidationError("duplicate region")


class WorkloadSchema(StrictSchema):
    """What is asked, and at which levels."""

    name = fields.String(required=True, validate=NAME)
    description = fields.String(validate=validate.Length(1, 500, error="must be 1 to 500 characters"))
    input_tokens = Drawn(1, MAX_TOKENS)
    output_tokens = Drawn(1, MAX_TOKENS)
    inputs = whole_field(1, MOST_INPUTS)
    dataset = fields.String(validate=PATH)
    unique_prompts = fields.Boolean()
    shared_prefix = number_field(0, 1)
    prefixes = whole_field(1, 1_000_000)
    concurrency = Levels(whole_field(1, 100_000))
    rate = Levels(number_field(0.001, 100_000))
    arrival = fields.String(validate=one_of(("poisson", "constant")))
    trace = fields.String(validate=PATH)
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
    find = fields.String(validate=one_of(get_args(LoadKind)))
    confidence = number_field(LEAST_CONFIDENCE, MOST_CONFIDENCE)
    budget = whole_field(LEAST_BUDGET, 10_000_000)
    extra_body = fields.Dict(keys=fields.String(), validate=check_json, load_default=dict)
    expects = fields.String(validate=one_of(get_args(Expected)))
    answer_schema = fields.String(validate=PATH)
    turns = Drawn(1, MOST_TURNS, WHOLE_CONVERSATIONS)
    think_time = Drawn(0, 86_400, whole=False)
    interval = number_field(1 / 60, 10_080)
    shards = whole_field(1, MOST_SHARDS, load_default=1)
    regions = fields.List(
        fields.String(validate=validate.Regexp(REGION, error=REGION_RULE)),
        validate=[SOME, _check_unique],
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
            asked = workload(data, Path())
            if "find" in data:
                searches.search(data)
        except ValueError as error:
            raise refused(error) from None
        if "find" in data and (names := gapless(data["slo"], asked)):
            raise ValidationError({"slo": {name: [NO_GAPS] for name in names}})

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


def _trace_faults(original: Mapping[str, Any]) -> dict[str, Any]:
    """Return the faults of fields that only a trace has, or that mean nothing to one."""
    if "trace" in original:
        return {name: ["does not apply to a trace"] for name in NOT_OF_TRACES if name in original}
    return {name: ["needs trace"] for name in ("speed", "window") if name in original}
