"""What is asked of the export and what a line of it holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load

from webapp.api.fields import count, number, text, timestamp
from webapp.api.points.formats import FORMATS
from webapp.queries import SeriesFilters, metric_filter, name_filter, one_of

DEFAULT_REACH = timedelta(hours=24)
FIRST_YEAR, LAST_YEAR = 1970, 2999


def _check_year(moment: datetime) -> None:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValidationError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")


def moment(name: str, description: str, example: str) -> fields.AwareDateTime:
    """A filter that takes a moment in ISO 8601; in UTC if it does not say otherwise."""
    return fields.AwareDateTime(
        data_key=name,
        format="iso",
        default_timezone=UTC,
        load_default=None,
        validate=_check_year,
        error_messages={
            "invalid": "must be a moment in ISO 8601, as 2026-11-24T12:00:00Z; a + must be sent as %2B"
        },
        metadata={"description": description, "example": example},
    )


class PointsQuery(SeriesFilters):
    """The query string."""

    metric = metric_filter(None, "One metric; all by default")
    llm = name_filter("One LLM, archived or not; all if left out", "GPT-4o")
    since = moment("from", "From this moment on; 24 hours before `to` if left out", "2026-11-24T00:00:00Z")
    until = moment("to", "Up to this moment, itself left out; now if left out", "2026-11-25T00:00:00Z")
    format = one_of(tuple(FORMATS), "csv", "CSV with a header, or one JSON object a line")

    @post_load
    def complete(self, query: dict[str, Any], **_: object) -> dict[str, Any]:
        """Fill in the window; `ends_now` says that its end is not the caller's.

        That end is the next whole minute, so that it can be told from an ETag whether it has moved.
        """
        query["ends_now"] = query["until"] is None
        query["until"] = query["until"] or _next_minute()
        query["since"] = query["since"] or query["until"] - DEFAULT_REACH
        if query["since"] >= query["until"]:
            raise ValidationError({"from": ["must be before `to`"]})
        return query


def _next_minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)


class PointSchema(Schema):
    """One point; in CSV these are the columns, in this order."""

    recorded_at = timestamp("Slot of the run")
    run_id = count("The run's id", 4711)
    llm_name = text("The LLM's name", "GPT-4o")
    source = text("The source", "simulation")
    scenario = text("The scenario", "default")
    metric = text("The metric's name", "ttft")
    unit = text("The metric's unit", "s")
    value = number("The value", 1.07)
