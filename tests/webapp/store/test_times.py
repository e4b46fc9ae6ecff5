"""Times and durations are the same in every time zone of the session."""

from datetime import UTC, datetime, timedelta

import pytest

MOMENT = datetime(2026, 3, 8, 4, 30, tzinfo=UTC)


@pytest.fixture(params=["UTC", "Asia/Kathmandu", "America/New_York"])
def fetched(request, conn):
    """Returns the only value of a query in a session with that time zone."""

    def fetched(expression: str, *arguments: object) -> object:
        with conn.cursor() as cursor:
            cursor.execute("SELECT set_config('timezone', %s, true)", (request.param,))
            cursor.execute(f"SELECT {expression}", arguments)
            return cursor.fetchone()[0]

    return fetched


def test_times_are_in_utc(fetched):
    found = fetched("%s::timestamptz", MOMENT)

    assert found.isoformat() == "2026-03-08T04:30:00+00:00"


def test_lists_of_times_are_in_utc(fetched):
    found = fetched("ARRAY[%s::timestamptz, NULL]", MOMENT)

    assert found == [MOMENT, None]
    assert found[0].tzinfo is UTC


def test_no_time_is_none(fetched):
    assert fetched("NULL::timestamptz") is None


def test_a_day_has_24_hours_even_when_clocks_change(fetched):
    assert fetched("%s + %s", MOMENT, timedelta(days=1)) == MOMENT + timedelta(hours=24)


def test_durations_are_exact(fetched):
    assert fetched("%s + %s", MOMENT, timedelta(days=30, microseconds=1)) - MOMENT == timedelta(
        days=30, microseconds=1
    )
