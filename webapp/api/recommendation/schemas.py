"""Query and response of the recommendation."""

from marshmallow import Schema, fields, validate

from webapp.api.fields import count, number, text, timestamp
from webapp.queries import SOURCES, metric_filter, name_filter, one_of, region_filter
from webapp.windows import LATEST, WINDOWS

STATISTICS = ("mean", "p95")


class RecommendationQuery(Schema):
    """What the LLM is wanted for."""

    workload = name_filter(
        "Workload or scenario; by default, one that is measured, or the simulation's without any", "chat"
    )
    region = region_filter("Region that was measured from; any by default")
    objective = metric_filter("e2e_latency", "Metric by which the best LLM is chosen")
    statistic = one_of(STATISTICS, "mean", "Statistic of the metric")
    source = one_of(SOURCES, None, "Source of the values; measurement by default if the workload is measured")
    window = one_of(
        tuple(window.name for window in WINDOWS),
        LATEST.name,
        "How far back; `latest` is each LLM's latest finished run",
    )
    max_error_rate = fields.Float(
        load_default=0.1,
        validate=validate.Range(0, 1),
        metadata={"description": "Highest accepted ratio of failed requests", "example": 0.1},
    )


class ChoiceSchema(Schema):
    """An LLM that can be used."""

    llm_name = text("Name of the LLM", "GPT-4o")
    model = text(
        "Name of the model at its endpoint, from the benchmark file; null if it is not measured there",
        "gpt-4o",
        nullable=True,
    )
    provider = text("Provider that serves the LLM", "openai")
    value = number("Value of the statistic", 1.0)
    low = number("Lower end of its 95 % confidence interval; null for few values", 0.97, nullable=True)
    high = number("Upper end of that interval", 1.03, nullable=True)
    last_measured = timestamp("Slot of the newest run in the window")


class ExcludedSchema(Schema):
    """An LLM that should not be used."""

    llm_name = text("Name of the LLM", "Llama 3.1 70B")
    reason = text("Why: down, stale, too many errors, or no values", "down since 2026-11-24T12:00:00+00:00")


class RecommendationSchema(ChoiceSchema):
    """The LLM to use now, and why."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    source = text("Source of the values", "simulation")
    scenario = text("Scenario", "default")
    objective = text("Metric by which it was chosen", "ttft")
    statistic = text("Statistic of the metric: mean or p95", "mean")
    window = text("Window", "latest")
    unit = text("Unit of the metric", "s")
    reason = text(
        "Why it was chosen, in words",
        "lowest mean time to first token of 3 LLMs in their latest runs; 12 % below GPT-4o; no open incident",
    )
    tied_with = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "LLMs that the data cannot distinguish from the best: they share rank 1",
            "example": ["GPT-4o"],
        },
    )
    alternatives = fields.List(
        fields.Nested(ChoiceSchema), required=True, metadata={"description": "The others, best first"}
    )
    excluded = fields.List(
        fields.Nested(ExcludedSchema),
        required=True,
        metadata={"description": "LLMs that should not be used, by name; archived ones are left out"},
    )
