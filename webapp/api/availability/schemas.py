"""Query and response of the availability."""

from datetime import timedelta

from marshmallow import Schema, fields

from webapp.api.fields import count, text, timestamp
from webapp.queries import SOURCES, RegionFilter, name_filter, one_of
from webapp.windows import DAY, HOUR

REACHES = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
# Of the windows that are listed by hour.
LONGEST_BY_HOUR = timedelta(days=7)
BY_HOUR = tuple(name for name, reach in REACHES.items() if reach <= LONGEST_BY_HOUR)


class AvailabilityQuery(RegionFilter):
    """The filters of the availability."""

    period = one_of((HOUR, DAY), DAY, f"A row per hour, for {' and '.join(BY_HOUR)}, or per day, in UTC")
    window = one_of(tuple(REACHES), None, "How far back; 30d by default, by hour 24h")
    source = one_of(SOURCES, "simulation", "Source of the runs; sources are never mixed")
    scenario = name_filter("Scenario; all together by default", "default")
    llm = name_filter("One LLM, archived or not; all ranked LLMs by default", "GPT-4o")


class CountsSchema(Schema):
    """The number of runs by how they ended."""

    finished = count("Number of runs that succeeded", 143)
    failed = count("Number of runs that failed", 1)
    invalid = count("Number of runs that the measuring client spoiled", 0)
    missed = count("Number of runs that were never tried", 0)
    ratio = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "finished / (finished + failed); null without any, since the others say nothing",
            "example": 0.993,
        },
    )


class PeriodSchema(CountsSchema):
    """One hour or day."""

    starts_at = timestamp("Start of the hour or day, in UTC")


class LLMAvailabilitySchema(CountsSchema):
    """The availability of one LLM in the whole window, and in each of its periods that has runs."""

    llm_name = text("Name of the LLM", "GPT-4o")
    periods = fields.List(
        fields.Nested(PeriodSchema), required=True, metadata={"description": "Hours or days, oldest first"}
    )


class AvailabilitySchema(Schema):
    """The availability of the LLMs, with its filters."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    period = text("Length of the periods: hour or day", "day")
    window = text("Window", "30d")
    source = text("Source of the runs", "simulation")
    scenario = text("Scenario; null for all", "default", nullable=True)
    region = text("Region; null for all, and if `scenario` has one", "eu", nullable=True)
    llms = fields.List(
        fields.Nested(LLMAvailabilitySchema), required=True, metadata={"description": "LLMs, by name"}
    )
