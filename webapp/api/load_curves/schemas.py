"""Query and response of load curves."""

from marshmallow import Schema, fields

from webapp.api.fields import count, flag, number, text, timestamp
from webapp.curves.axes import axis_filter
from webapp.curves.levels import KINDS
from webapp.queries import SOURCES, name_filter, one_of, region_filter
from webapp.windows import LATEST, WINDOWS


class LoadCurvesQuery(Schema):
    """The filters of load curves."""

    workload = name_filter("Workload; the one with most levels by default", "chat")
    x = axis_filter(
        "output_throughput", "Metric, with _p50, _p90, _p95 or _p99 for a percentile, or the load", loads=True
    )
    y = axis_filter("ttft_p95", "Metric, with _p50, _p90, _p95 or _p99 for a percentile")
    source = one_of(SOURCES, "measurement", "Source of the values; the simulation has no levels")
    window = one_of(
        tuple(window.name for window in WINDOWS),
        LATEST.name,
        "How far back; `latest` is each LLM's latest finished run of the level",
    )
    api = name_filter("Provider API; by default `chat` or else the first that the workload has", "chat")
    region = region_filter("Region; by default none or else the first that the workload has")
    kind = one_of(KINDS, None, "Kind of load; all by default, as separate curves")
    llm = name_filter("One LLM; all ranked LLMs by default", "GPT-4o")


class LevelSchema(Schema):
    """One level of a curve."""

    level = number("The load: concurrency, requests/s, or speed of a trace", 8)
    scenario = text("Scenario of the level, by which the other endpoints know it", "chat@c8")
    x = number("Value on the x axis", 310.2)
    y = number("Value on the y axis", 0.412)
    n = count("Number of values of y", 640)
    runs = count("Number of runs in the window", 1)
    ci_low = number("Lower end of the 95 % confidence interval of y; null unless y is a mean", 0.39, True)
    ci_high = number("Upper end of that interval", 0.44, True)
    slo = number("Bound of y by the workload's slo; null if it has none", 0.5, True)
    meets_slo = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "Whether y is at most that bound; null without one", "example": True},
    )
    knee = flag("Whether the curve bends here: the level of greatest throughput over latency", False)
    last_measured = timestamp("Slot of the newest run in the window")


class CurveSchema(Schema):
    """One LLM's levels of one kind of load, ascending."""

    llm_name = text("Name of the LLM", "GPT-4o")
    kind = text("Kind of load: concurrency, rate, rate-constant, or speed of a trace", "concurrency")
    levels = fields.List(fields.Nested(LevelSchema), required=True)


class AxisSchema(Schema):
    """What an axis shows."""

    name = text("Name, as in the query", "ttft_p95")
    metric = text("Name of the metric; null for the load", "ttft", nullable=True)
    statistic = text("Statistic of the metric; null for the load", "p95", nullable=True)
    unit = text("Unit", "s")
    better = text("Better direction: lower or higher; null for the load", "lower", nullable=True)


def _names(description: str, example: str) -> fields.List:
    return fields.List(
        fields.String(), required=True, metadata={"description": description, "example": [example]}
    )


class LoadCurvesSchema(Schema):
    """The load curves of a workload, with their filters."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    source = text("Source of the values", "measurement")
    window = text("Window", "latest")
    workload = text("Workload; null if nothing has levels", "chat", nullable=True)
    api = text("Provider API; null if nothing has levels", "chat", nullable=True)
    region = text("Region; null for levels without one", "eu", nullable=True)
    x = fields.Nested(AxisSchema, required=True)
    y = fields.Nested(AxisSchema, required=True)
    curves = fields.List(fields.Nested(CurveSchema), required=True)
    workloads = _names("Workloads with levels, by name", "chat")
    apis = _names("APIs that the workload is measured with", "chat")
    regions = _names("Regions that the workload is measured from with this API", "eu")
