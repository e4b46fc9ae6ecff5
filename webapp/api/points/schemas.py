"""The filters of an export, and its rows."""

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
        raise ValidationError(f"must be in the years {FIRST_YEAR} to {LAST_YEAR}")


def moment(name: str, description: str, example: str) -> fields.AwareDateTime:
    """Return a filter that takes a time in ISO 8601, in UTC unless it has an offset."""
    return fields.AwareDateTime(
        data_key=name,
        format="iso",
        default_timezone=UTC,
        load_default=None,
        validate=_check_year,
        error_messages={
            "invalid": "must be a time in ISO 8601, such as 2026-11-24T12:00:00Z, with a + encoded as %2B"
        },
        metadata={"description": description, "example": example},
    )


class PointsQuery(SeriesFilters):
    """The filters of an export."""

    metric = metric_filter(None, "One metric; all by default")
    llm = name_filter("One LLM, archived or not; all by default", "GPT-4o")
    since = moment(
        "from", "Start of the window, inclusive; 24 hours before `to` by default", "2026-11-24T00:00:00Z"
    )
    until = moment("to", "End of the window, exclusive; now by default", "2026-11-25T00:00:00Z")
    format = one_of(tuple(FORMATS), "csv", "csv: with a header; ndjson: one JSON object per line")

    @post_load
    def complete(self, query: dict[str, Any], **_: object) -> dict[str, Any]:
        """Fill in the window, and `ends_now`: whether its end is the default.

        The default end is the next full minute, so that an ETag can contain it.
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
    """One point; in CSV, these are the columns in their order."""

    recorded_at = timestamp("Slot of the run")
    run_id = count("Id of the run", 4711)
    llm_name = text("Name of the LLM", "GPT-4o")
    source = text("Source of the value", "simulation")
    scenario = text("Scenario", "default")
    metric = text("Name of the metric", "ttft")
    unit = text("Unit of the metric", "s")
    value = number("Value", 1.07)
