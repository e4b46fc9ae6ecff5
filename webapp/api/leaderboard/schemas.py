"""The response of the leaderboard."""

from marshmallow import Schema, fields

from webapp.api.fields import count, number, scenarios, text, timestamp
from webapp.api.runs.schemas import MeasurementSchema


class FailureSchema(Schema):
    """Why the newest run of an LLM has no values."""

    status = text("failed, invalid or missed", "failed")
    slot = timestamp("Scheduled time of the run")
    reason = text(
        "Error, or why the run is invalid or was missed",
        "NoResponseError: all 32 requests failed (timeout 32)",
        nullable=True,
    )


class UnrankedSchema(FailureSchema):
    """An LLM without values in the window, whose newest run has none."""

    llm_name = text("Name of the LLM", "Llama 3.1 70B")


class NewestRunSchema(Schema):
    """The newest finished run of an LLM."""

    id = count("Id of the run", 1234)
    measurement = fields.Nested(
        MeasurementSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Details of a measured run; null for a simulated one", "example": None},
    )


class LeaderboardRowSchema(Schema):
    """One LLM's place on the leaderboard."""

    rank = count("1 + the number of LLMs whose interval is entirely better", 1)
    rank_worst = count("Worst rank that the intervals allow", 2)
    llm_name = text("Name of the LLM", "GPT-4o")
    company_name = text("Company that made the LLM", "openai")
    provider = text("Provider that serves the LLM", "openai")
    runs = count("Number of runs in the window", 144)
    n = count("Number of values in the window", 144_000)
    mean = number("Mean of all values", 1.069)
    ci_low = number("Lower end of the mean's 95 % confidence interval; null for a single value", 1.033, True)
    ci_high = number("Upper end of the mean's 95 % confidence interval; null for a single value", 1.104, True)
    stddev = number("Standard deviation of all values; null for a single value", 0.57, True)
    min = number("Smallest value", 0.05)
    max = number("Largest value", 2.0)
    p50 = number("Median, within 1 %", 1.094)
    p50_low = number("Lower end of the median's 95 % confidence interval; null for few values", 1.094, True)
    p50_high = number("Upper end of that interval", 1.116, True)
    p90 = number("90th percentile, within 1 %", 1.84)
    p95 = number("95th percentile, within 1 %", 1.915)
    p95_low = number("Lower end of its 95 % confidence interval; null for few values", 1.896, True)
    p95_high = number("Upper end of that interval", 1.915, True)
    p99 = number("99th percentile, within 1 %", 1.994)
    p99_low = number("Lower end of its 95 % confidence interval; null for few values", 1.994, True)
    p99_high = number("Upper end of that interval", 1.994, True)
    last_measured = timestamp("Slot of the newest run in the window")
    stale_at = timestamp(
        "From when on the row is stale: three slots without new values; null if none are scheduled", True
    )
    error_rate = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "Mean ratio of failed requests in these runs; null if nothing was requested",
            "example": None,
        },
    )
    newest_run = fields.Nested(
        NewestRunSchema,
        required=True,
        allow_none=True,
        metadata={
            "description": "The newest finished run, in the window or not",
            "example": {"id": 1234, "measurement": None},
        },
    )
    failure = fields.Nested(
        FailureSchema,
        required=True,
        allow_none=True,
        metadata={
            "description": "Why the newest run has no values; null if it has",
            "example": None,
        },
    )


class MetricLeaderboardSchema(Schema):
    """One metric's leaderboard."""

    metric = text("Name of the metric", "ttft")
    unit = text("Unit of the metric", "s")
    formula = text("Definition of a value", "time from sending a request to its first token")
    better = text("Better direction: lower or higher", "lower")
    llms = fields.List(fields.Nested(LeaderboardRowSchema), required=True)
    unranked = fields.List(
        fields.Nested(UnrankedSchema),
        required=True,
        metadata={"description": "LLMs without values in the window, whose newest run has none"},
    )


class LeaderboardSchema(Schema):
    """The leaderboards of the requested metrics, with their filters."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    window = text("Window", "latest")
    source = text("Source of the values", "simulation")
    scenario = text("Scenario", "default")
    order = text("Order of the LLMs", "best")
    scenarios = scenarios()
    metrics = fields.List(fields.Nested(MetricLeaderboardSchema), required=True)
