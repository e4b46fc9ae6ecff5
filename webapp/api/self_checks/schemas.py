"""What is asked of the self-checks and what they answer."""

from marshmallow import Schema, fields

from webapp.api.fields import count, text, timestamp
from webapp.queries import whole_filter

MOST_CHECKS = 200


class SelfChecksQuery(Schema):
    """The query string."""

    limit = whole_filter(1, MOST_CHECKS, 1, "The most self-checks in one answer, newest first", 1)


def _seconds(description: str, example: float) -> fields.Float:
    return fields.Float(
        required=True, metadata={"description": f"{description}, in seconds", "example": example}
    )


class MetricErrorSchema(Schema):
    """One metric's error: what was measured less what was known."""

    metric = text("The metric's name", "ttft")
    n = count("Number of values", 250)
    known_s = _seconds("What the server took in truth", 0.2)
    p50_s = _seconds("Median error", 0.0004)
    p99_s = _seconds("99th percentile of the error", 0.0021)


class SelfCheckSchema(Schema):
    """One self-check."""

    slot = timestamp("The instant that it stands for")
    errors = fields.List(fields.Nested(MetricErrorSchema), required=True)


class SelfChecksSchema(Schema):
    """The newest self-checks."""

    interval_s = count("Seconds between self-checks; 0: they are off", 3600)
    checks = fields.List(fields.Nested(SelfCheckSchema), required=True)
