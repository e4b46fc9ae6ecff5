"""Requests and responses about incidents."""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from webapp.api.fields import count, number, text, timestamp
from webapp.queries import LARGEST_ID, SOURCES, name_filter, one_of, whole_filter
from webapp.store.incidents import SEVERITIES, STATUSES
from webapp.watch.actions import LONGEST_NOTE, clean_note

MOST_INCIDENTS = 200
STATE_EXAMPLE = {
    "severity": "minor",
    "subject": "GPT-4o",
    "source": "simulation",
    "llms": ["GPT-4o"],
    "title": "GPT-4o: time to first token 30 % slower",
}


class IncidentsQuery(Schema):
    """The filters of the list of incidents."""

    status = one_of(STATUSES, None, "Status of the incidents; any by default")
    severity = one_of(SEVERITIES, None, "Severity of the incidents; any by default")
    source = one_of(SOURCES, None, "Source of the values; any by default")
    llm = name_filter("One affected LLM, archived or not; all by default", "GPT-4o")
    limit = whole_filter(1, MOST_INCIDENTS, 50, "Maximum number of incidents in one response", 50)
    cursor = whole_filter(1, LARGEST_ID, None, "`next` of the previous page; the newest by default", 12)


class NoteSchema(Schema):
    """What someone notes about an incident."""

    note = fields.String(
        load_default=None,
        validate=validate.Length(max=LONGEST_NOTE),
        metadata={"description": "Note; the former one stays if there is none", "example": "Provider knows"},
    )

    @post_load
    def clean(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Make the note harmless; None if it is empty."""
        return {"note": clean_note(data["note"] or "")}


class SignalSchema(Schema):
    """One sign of an incident."""

    kind = text("change (of a metric's level), down or degraded", "change")
    llm_name = text("Name of the LLM", "GPT-4o")
    scenario = text("Scenario", "default")
    metric_name = text("Metric that has changed, or crossed its bound; null if down", "ttft", nullable=True)
    statistic = text("mean or p95, of a change; null otherwise", "mean", nullable=True)
    started_at = timestamp("Slot of the first affected run")
    detected_at = timestamp("Slot of the run that showed it")
    ended_at = timestamp("When it ended; null while it lasts", nullable=True)
    before = number("Level before a change, or the bound of a degraded LLM", 1.07, nullable=True)
    after = number("Level since a change, or the value of a degraded LLM", 1.39, nullable=True)
    change = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Relative change, (after - before) / before", "example": 0.3},
    )
    low = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Lower end of its 95 % confidence interval", "example": 0.25},
    )
    high = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Upper end of that interval", "example": 0.35},
    )


class IncidentSchema(Schema):
    """One incident: all that is wrong with one server, or with one simulated LLM, at a time."""

    id = count("Id of the incident; higher is newer", 12)
    status = text("open or resolved", "open")
    severity = text("minor, major or critical; never lowered", "minor")
    source = text("Source of the values: simulation or measurement", "simulation")
    subject = text("Host and port of the measured server, or name of the simulated LLM", "GPT-4o")
    llm_names = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Affected LLMs, in the order in which they were", "example": ["GPT-4o"]},
    )
    started_at = timestamp("Slot of the first affected run")
    opened_at = timestamp("Slot of the run that showed it")
    updated_at = timestamp("Time of the newest event")
    resolved_at = timestamp("When it was resolved; null while it is open", nullable=True)
    resolution = text(
        "recovered, accepted (the change has lasted and is the new level) or closed (by a user);"
        " null while it is open",
        "recovered",
        nullable=True,
    )
    cause = text("Likely cause, as the provider or the errors have it", "rate_limited 4", nullable=True)
    acknowledged_at = timestamp("When it was acknowledged; null if nobody has", nullable=True)
    note = text("Newest note of a user", "Provider knows", nullable=True)
    reopened = count("How often it was reopened within the cool-down", 0)
    signals = fields.List(
        fields.Nested(SignalSchema), required=True, metadata={"description": "Signs of it, oldest first"}
    )


class IncidentsSchema(Schema):
    """A page of incidents, newest first."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    incidents = fields.List(fields.Nested(IncidentSchema), required=True)
    next = count("`cursor` of the next page; null on the last page", 3, nullable=True)


class EventSchema(Schema):
    """A state of an incident."""

    number = count("Number of the event, from 1", 1)
    kind = text("opened, updated, resolved, reopened, acknowledged or closed", "opened")
    at = timestamp("Time of the event")
    state = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={
            "description": "State of the incident since then, as notifications send it",
            "example": STATE_EXAMPLE,
        },
    )


class IncidentWithEventsSchema(IncidentSchema):
    """An incident with its history."""

    events = fields.List(
        fields.Nested(EventSchema), required=True, metadata={"description": "Its events, oldest first"}
    )
