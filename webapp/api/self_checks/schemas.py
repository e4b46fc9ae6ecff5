"""Query and response of the self-checks."""

from marshmallow import Schema, fields

from webapp.api.fields import count, text, timestamp
from webapp.queries import whole_filter

MOST_CHECKS = 200


class SelfChecksQuery(Schema):
    """The filters of the self-checks."""

    limit = whole_filter(1, MOST_CHECKS, 1, "Maximum number of self-checks in one response, newest first", 1)


def _seconds(description: str, example: float) -> fields.Float:
    return fields.Float(
        required=True, metadata={"description": f"{description}, in seconds", "example": example}
    )


class MetricErrorSchema(Schema):
    """The error of one metric: measured minus known."""

    metric = text("Name of the metric", "ttft")
    n = count("Number of values", 250)
    known_s = _seconds("True value", 0.2)
    p50_s = _seconds("Median of the error", 0.0004)
    p99_s = _seconds("99th percentile of the error", 0.0021)


class SelfCheckSchema(Schema):
    """One self-check."""

    slot = timestamp("Scheduled time of the self-check")
    errors = fields.List(fields.Nested(MetricErrorSchema), required=True)


class SelfChecksSchema(Schema):
    """The newest self-checks."""

    interval_s = count("Seconds between self-checks; 0 if they are off", 3600)
    checks = fields.List(fields.Nested(SelfCheckSchema), required=True)
