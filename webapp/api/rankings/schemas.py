"""The response of the rankings, for the OpenAPI document."""

from marshmallow import Schema, fields

from llm_measure.metrics import METRICS

# The API contract: these metrics, in this order.
CONTRACT = ("ttft", "tps", "e2e_latency", "rps")


class RankedLLMSchema(Schema):
    """One LLM in a ranking."""

    llm_name = fields.String(required=True, metadata={"description": "Name of the LLM", "example": "GPT-4o"})
    mean_value = fields.Float(
        required=True,
        metadata={
            "description": "Mean of the latest finished run, in the metric's unit, rounded to 2 decimals",
            "example": 1.07,
        },
    )


def _ranking(name: str, unit: str) -> fields.List:
    return fields.List(
        fields.Nested(RankedLLMSchema),
        metadata={"description": f"LLMs by descending mean {name}, in {unit}"},
    )


# One object per metric, with the metric's name as its only key.
MetricRankingSchema = Schema.from_dict(
    {name: _ranking(name, METRICS[name].unit.symbol) for name in CONTRACT},
    name="MetricRankingSchema",
)


class RankingsSchema(Schema):
    """Rankings, one object per metric."""

    data = fields.List(
        fields.Nested(MetricRankingSchema),
        required=True,
        metadata={"description": "One object per metric, with the metric's name as its only key"},
    )
