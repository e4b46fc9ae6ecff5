"""Times and durations that do not depend on the session's TimeZone, which a pooler or a role may set."""

from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extensions import PYDATETIMETZ, AsIs, new_array_type, new_type, register_adapter, register_type

TIMESTAMPTZ_OID, TIMESTAMPTZ_ARRAY_OID = 1184, 1185


def register() -> None:
    """Let psycopg2 return every timestamptz in UTC, and send a day as 24 hours on every connection.

    A day of PostgreSQL's intervals is one of the session's TimeZone, which may have 23 or 25 hours.
    """
    moment = new_type((TIMESTAMPTZ_OID,), "TIMESTAMPTZ", _in_utc)
    register_type(moment)
    register_type(new_array_type((TIMESTAMPTZ_ARRAY_OID,), "TIMESTAMPTZ[]", moment))
    register_adapter(timedelta, _in_seconds)


def _in_utc(text: str | None, cursor: Any) -> datetime | None:
    moment = PYDATETIMETZ(text, cursor)
    return moment and moment.astimezone(UTC)


def _in_seconds(duration: timedelta) -> AsIs:
    return AsIs(f"'{duration.total_seconds():f} seconds'::interval")
