"""The rules of notifications: which messages a target gets, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import ValidationError, fields, validate, validates_schema

from webapp.plan.fields import NAME, SOME, StrictSchema, one_of, variable, whole_field
from webapp.store.incidents import SEVERITIES

DIGESTS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
HOUR_AND_MINUTE = r"([01][0-9]|2[0-3]):[0-5][0-9]"


@dataclass(frozen=True)
class Rule:
    """What one target gets; its URL is the value of the environment variable `target`, in the worker."""

    target: str
    secret_env: str | None = None  # the variable with the key that signs webhooks
    llms: tuple[str, ...] = ()  # empty: all
    severity: str = SEVERITIES[0]  # and higher ones
    quiet_hours: tuple[time, time] | None = None
    time_zone: str = "UTC"
    digest: str | None = None  # one of DIGESTS
    digest_hour: int = 8
    incidents: bool = True

    def wants(self, state: Mapping[str, Any]) -> bool:
        """Return whether the target gets messages about an incident in this state."""
        concerned = not self.llms or bool({*self.llms} & {*state["llms"]})
        return self.incidents and concerned and is_at_least(state["severity"], self.severity)

    def due(self, severity: str, now: datetime) -> datetime:
        """Return when a message that exists now may be sent: after the quiet hours, unless it is critical."""
        if self.quiet_hours is None or severity == SEVERITIES[-1]:
            return now
        start, end = self.quiet_hours
        local = now.astimezone(ZoneInfo(self.time_zone))
        after_start, before_end = local.time() >= start, local.time() < end
        is_quiet = after_start and before_end if start < end else after_start or before_end
        if not is_quiet:
            return now
        day = local.date() if before_end else local.date() + timedelta(days=1)
        return datetime.combine(day, end, local.tzinfo).astimezone(UTC)

    def digest_span(self, now: datetime) -> tuple[datetime, datetime] | None:
        """Return the span of the newest digest, which is due at its end; None without digests."""
        if self.digest is None:
            return None
        zone = ZoneInfo(self.time_zone)
        local = now.astimezone(zone)
        end = datetime.combine(local.date(), time(self.digest_hour), zone)
        if end > now:
            end -= timedelta(days=1)
        if self.digest == "weekly":
            end -= timedelta(days=end.weekday())  # to Monday
        return end - DIGESTS[self.digest], end


def is_at_least(severity: str, least: str) -> bool:
    """Return whether a severity is `least` or higher."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


def rule(declared: Mapping[str, Any]) -> Rule:
    """Return a declared rule."""
    hours = declared["quiet_hours"]
    first, last = map(time.fromisoformat, hours.split("-")) if hours else (None, None)
    quiet_hours = (first, last) if first and last else None
    return Rule(**{**declared, "llms": tuple(declared["llms"]), "quiet_hours": quiet_hours})


def _check_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError("unknown time zone; expected a name such as UTC or Europe/Berlin")


def _check_hours(hours: str) -> None:
    start, _, end = hours.partition("-")
    if start == end:
        raise ValidationError("must not start and end at the same time")


class RuleSchema(StrictSchema):
    """A rule of notifications."""

    target = fields.String(required=True, validate=variable("URL"))
    secret_env = fields.String(load_default=None, validate=variable("key"))
    llms = fields.List(fields.String(validate=NAME), validate=SOME, load_default=())
    severity = fields.String(load_default=SEVERITIES[0], validate=one_of(SEVERITIES))
    quiet_hours = fields.String(
        load_default=None,
        validate=[
            validate.Regexp(
                rf"^{HOUR_AND_MINUTE}-{HOUR_AND_MINUTE}\Z", error="must be two times, such as 22:00-07:00"
            ),
            _check_hours,
        ],
    )
    time_zone = fields.String(load_default="UTC", validate=_check_zone)
    digest = fields.String(load_default=None, validate=one_of(tuple(DIGESTS)))
    digest_hour = whole_field(0, 23, load_default=8)
    incidents = fields.Boolean(load_default=True)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_digest(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Refuse an hour of no digest, and a target that gets nothing."""
        if not isinstance(original, dict) or "digest" in original:
            return
        faults = {"digest_hour": ["needs digest"]} if "digest_hour" in original else {}
        if original.get("incidents") is False:
            faults["incidents"] = ["needs digest"]
        if faults:
            raise ValidationError(faults)
