"""Query and response of the changes."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from webapp.api.fields import count, flag, number, text, timestamp
from webapp.api.points.schemas import moment
from webapp.queries import SOURCES, RegionFilter, name_filter, one_of


class ChangesQuery(RegionFilter):
    """The filters of the changes."""

    llm = name_filter("One LLM, archived or not; all by default", "GPT-4o")
    scenario = name_filter("Scenario; any by default", "default")
    source = one_of(SOURCES, None, "Source of the values; any by default")
    since = moment("from", "Detected then or later; 30 days ago by default", "2026-11-01T00:00:00Z")
    until = moment("to", "Detected before; no limit by default", "2026-12-01T00:00:00Z")

    @validates_schema
    def check(self, query: dict[str, Any], **_: object) -> None:
        """Refuse an empty window."""
        if query["since"] and query["until"] and query["since"] >= query["until"]:
            raise ValidationError({"from": ["must be before `to`"]})


class ChangeSchema(Schema):
    """A change of level of one statistic of a metric; it never changes itself."""

    source = text("Source of the values", "simulation")
    scenario = text("Scenario", "default")
    llm_name = text("Name of the LLM", "GPT-4o")
    metric_name = text("Name of the metric", "ttft")
    statistic = text("mean or p95", "mean")
    slot = timestamp("Slot of the first run of the new level")
    detected_slot = timestamp("Slot of the run that showed it")
    before = number("Level before", 1.07)
    after = number("Level since, as of the detection", 1.39)
    change = fields.Float(
        required=True,
        metadata={"description": "Relative change, (after - before) / before", "example": 0.3},
    )
    low = fields.Float(
        required=True,
        metadata={"description": "Lower end of its 95 % confidence interval", "example": 0.25},
    )
    high = fields.Float(
        required=True, metadata={"description": "Upper end of that interval", "example": 0.35}
    )
    worse = flag("Whether it is for the worse, which opens an incident", True)


class ChangesSchema(Schema):
    """Changes, by the time of their detection, oldest first."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    changes = fields.List(fields.Nested(ChangeSchema), required=True)
