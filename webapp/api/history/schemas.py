"""What is asked of the history and what it answers."""

from marshmallow import Schema, fields

from webapp.api.fields import count, number, text, timestamp
from webapp.queries import SeriesFilters, name_filter, one_of
from webapp.windows import CHARTED, DAY, HOUR

STEPS = (HOUR, DAY)


class HistoryQuery(SeriesFilters):
    """The query string."""

    llm = name_filter("One LLM, archived or not; all that are ranked if left out", "GPT-4o")
    window = one_of(CHARTED, "7d", "How far back")
    step = one_of(STEPS, "hour", "Length of a bucket, in UTC")


class BucketSchema(Schema):
    """One hour or day."""

    starts_at = timestamp("When it starts")
    runs = count("Number of runs in it", 6)
    n = count("Number of values in it", 6000)
    mean = number("Mean of all values", 1.069)
    p50 = number("Median, within 1 %", 1.094)
    p95 = number("95th percentile, within 1 %", 1.915)
    p99 = number("99th percentile, within 1 %", 1.994)


class SeriesSchema(Schema):
    """One LLM's buckets, in the order of time; a bucket without values is left out."""

    llm_name = text("The LLM's name", "GPT-4o")
    buckets = fields.List(fields.Nested(BucketSchema), required=True)


class HistorySchema(Schema):
    """The history of a metric, with what was asked."""

    generation = count("The generation of the data; raised by each refresh", 1_795_553_963_018_399)
    metric = text("The metric's name", "ttft")
    unit = text("Its unit", "s")
    window = text("The window", "7d")
    step = text("The step", "hour")
    source = text("The source", "simulation")
    scenario = text("The scenario", "default")
    series = fields.List(fields.Nested(SeriesSchema), required=True)
