"""What a search for the capacity found, in a run's details."""

from marshmallow import Schema, fields

from webapp.api.fields import count, flag, text

VERDICTS = "met, missed or undecided"


def _known(description: str, example: float) -> fields.Float:
    return fields.Float(
        required=True, allow_none=True, metadata={"description": description, "example": example}
    )


def _reason(description: str) -> fields.String:
    return fields.String(allow_none=True, metadata={"description": description, "example": None})


class AttainedSchema(Schema):
    """What a level attained of an objective."""

    value = _known("Quantile, in the metric's unit, or ratio; null if failed requests reach into it", 0.42)
    low = _known("Lower confidence bound; null if unknown", 0.38)
    high = _known("Upper confidence bound; null if unknown", 0.46)
    verdict = text(f"By the bounds: {VERDICTS}", "met")


class StepSchema(Schema):
    """One level of the search."""

    load_ = fields.Float(
        attribute="load",
        data_key="load",
        required=True,
        metadata={"description": "Load, in the search's unit", "example": 12.0},
    )
    requests = count("Number of measured requests, in all batches", 640)
    attained = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(AttainedSchema),
        required=True,
        metadata={"description": "What was attained, by objective"},
    )
    verdict = text(f"Of all objectives together: {VERDICTS}", "met")
    throughput = _known("Successful requests per second; null if unknown", 11.9)
    reason = _reason("Why it is missed, apart from its objectives; null otherwise")


class FindSchema(Schema):
    """A search for the capacity: the bracket, and the path that led to it."""

    kind = text("rate or concurrency", "rate")
    unit = text(
        "Unit of the loads: requests/s or concurrent requests; where requests are turns, conversations/s or"
        " concurrent conversations",
        "requests/s",
    )
    slo = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata={
            "description": "Objectives: bounds by quantile, and of error_rate",
            "example": {"ttft:p95": 0.5},
        },
    )
    confidence = fields.Float(
        required=True, metadata={"description": "Confidence of each verdict", "example": 0.95}
    )
    capacity = _known(
        "Greatest load that keeps to the objectives; null if even the least misses them, or if it is unknown",
        12.4,
    )
    low = _known("Greatest load that certainly keeps to them; null if none does", 12.1)
    high = _known("Least load that certainly does not; null if none was found", 12.8)
    decided = flag("Whether the bracket is narrow enough; if not, the run is invalid", True)
    requests = count("Number of requests of all levels, those of warm-ups included", 3120)
    reason = _reason("Why it ended early, or what keeps it undecided; null otherwise")
    path = fields.List(
        fields.Nested(StepSchema),
        required=True,
        metadata={"description": "Levels, in the order of measuring"},
    )
