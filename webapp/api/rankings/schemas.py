"""What the rankings look like, for the OpenAPI document."""

from marshmallow import Schema, fields

from llm_measure.metrics import METRICS

# The rankings' shape is a contract: these metrics, in this order, for good.
CONTRACT = ("ttft", "tps", "e2e_latency", "rps")


class RankedLLMSchema(Schema):
    """One LLM's place in a ranking."""

    llm_name = fields.String(required=True, metadata={"description": "The LLM's name", "example": "GPT-4o"})
    mean_value = fields.Float(
        required=True,
        metadata={
            "description": "Mean of the LLM's latest finished run, in the metric's unit, to 2 decimals",
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
        metadata={"description": "An object per metric, its only key the metric's name"},
    )
