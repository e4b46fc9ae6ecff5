"""What is asked of the leaderboard and what it answers."""

from marshmallow import Schema, fields

from webapp.api.fields import count, number, text, timestamp


class LeaderboardRowSchema(Schema):
    """One LLM's place on the leaderboard."""

    rank = count("1 + the number of LLMs whose interval lies wholly on the better side", 1)
    rank_worst = count("The worst place that the intervals allow", 2)
    llm_name = text("The LLM's name", "GPT-4o")
    company_name = text("Who made it", "openai")
    provider = text("Who serves it", "openai")
    runs = count("Number of runs in the window", 144)
    n = count("Number of values in the window", 144_000)
    mean = number("Mean of all values", 1.069)
    ci_low = number("Lower end of the mean's 95 % confidence interval; null with a single value", 1.033, True)
    ci_high = number(
        "Upper end of the mean's 95 % confidence interval; null with a single value", 1.104, True
    )
    stddev = number("Standard deviation of all values; null with a single value", 0.57, True)
    min = number("Smallest value", 0.05)
    max = number("Largest value", 2.0)
    p50 = number("Median, within 1 %", 1.094)
    p90 = number("90th percentile, within 1 %", 1.84)
    p95 = number("95th percentile, within 1 %", 1.915)
    p99 = number("99th percentile, within 1 %", 1.994)
    last_measured = timestamp("Slot of the newest run inside")


class MetricLeaderboardSchema(Schema):
    """One metric's leaderboard."""

    metric = text("The metric's name", "ttft")
    unit = text("Its unit", "s")
    formula = text("How a value comes about", "time from sending a request to its first token")
    better = text("Which direction is better: lower or higher", "lower")
    llms = fields.List(fields.Nested(LeaderboardRowSchema), required=True)


class LeaderboardSchema(Schema):
    """The leaderboard of each asked metric, with what was asked."""

    generation = count("The generation of the data; raised by each refresh", 1_795_553_963_018_399)
    window = text("The window", "latest")
    source = text("The source", "simulation")
    scenario = text("The scenario", "default")
    order = text("The order", "best")
    metrics = fields.List(fields.Nested(MetricLeaderboardSchema), required=True)
