"""Query and response of the history."""

from marshmallow import Schema, fields

from webapp.api.fields import count, number, scenarios, text, timestamp
from webapp.queries import SeriesFilters, name_filter, one_of
from webapp.windows import BY_RUN, CHARTED, DAY, HOUR, RUN

STEPS = (RUN, HOUR, DAY)


class HistoryQuery(SeriesFilters):
    """The filters of a history."""

    llm = name_filter("One LLM, archived or not; all ranked LLMs by default", "GPT-4o")
    window = one_of(CHARTED, "7d", "How far back")
    step = one_of(STEPS, "hour", f"A bucket per run, for {' and '.join(BY_RUN)}, or per hour or day in UTC")


class BucketSchema(Schema):
    """One run, hour or day."""

    starts_at = timestamp("Start of the bucket; the slot of a run")
    runs = count("Number of runs in the bucket", 6)
    n = count("Number of values in the bucket", 6000)
    mean = number("Mean of all values", 1.069)
    p50 = number("Median, within 1 %", 1.094)
    p95 = number("95th percentile, within 1 %", 1.915)
    p99 = number("99th percentile, within 1 %", 1.994)


class SeriesSchema(Schema):
    """One LLM's buckets, oldest first; buckets without values are omitted."""

    llm_name = text("Name of the LLM", "GPT-4o")
    buckets = fields.List(fields.Nested(BucketSchema), required=True)


class HistorySchema(Schema):
    """The history of a metric, with its filters."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    metric = text("Name of the metric", "ttft")
    unit = text("Unit of the metric", "s")
    window = text("Window", "7d")
    step = text("What a bucket holds: a run, hour or day", "hour")
    source = text("Source of the values", "simulation")
    scenario = text("Scenario", "default")
    scenarios = scenarios()
    series = fields.List(fields.Nested(SeriesSchema), required=True)
