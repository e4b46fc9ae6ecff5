"""How the runs of hours and days ended, counted by the refresh that shows them."""

from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.maintenance import maintain
from tests.factories import add_run
from tests.support import query
from webapp.ingest.publish import publish
from webapp.store import availability

HOUR = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE_HOUR = timedelta(hours=1)
DAY = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def counts(conn):
    """Reads the counts of finished, failed, invalid and missed runs by the start of the hour or day."""

    def counts(period: str = "hour", **filters: object) -> dict[datetime, tuple]:
        with conn:
            found = availability.read(
                conn,
                **{
                    "period": period, "reach": timedelta(days=2), "now": DAY + timedelta(days=1),
                    "source": "simulation", **filters,
                },
            )  # fmt: skip
        return {each.starts_at: astuple(each)[2:] for each in found if each.llm_name == "GPT-4o"}

    return counts


def test_runs_are_counted_by_how_they_ended(conn, settings, redis, counts):
    for minute, status in enumerate(
        ("finished", "finished", "finished", "failed", "failed", "invalid", "missed", "running")
    ):
        add_run(conn, HOUR + timedelta(minutes=minute), status=status)
    add_run(conn, HOUR + ONE_HOUR, status="failed")
    add_run(conn, HOUR, llm="Llama 3.1 70B", status="failed")
    conn.commit()
    assert counts() == {}

    publish(conn, settings, redis)

    assert counts() == {HOUR: (3, 2, 1, 1), HOUR + ONE_HOUR: (0, 1, 0, 0)}
    assert counts("day") == {DAY: (3, 3, 1, 1)}
    assert availability.Availability("GPT-4o", DAY, 3, 3, 1, 1).ratio == 0.5


def test_a_run_that_is_retried_is_counted_as_it_ended_last(conn, settings, redis, counts):
    run_id = add_run(conn, HOUR, status="failed")
    conn.commit()
    publish(conn, settings, redis)
    query(conn, "UPDATE runs SET status = 'running' WHERE id = %s RETURNING id", run_id)
    query(conn, "UPDATE runs SET status = 'finished' WHERE id = %s RETURNING id", run_id)

    publish(conn, settings, redis)

    assert counts() == {HOUR: (1, 0, 0, 0)}
    assert counts("day") == {DAY: (1, 0, 0, 0)}


def test_a_late_run_is_added_to_a_day_whose_hours_have_been_deleted(conn, settings, redis, counts):
    add_run(conn, HOUR)
    conn.commit()
    publish(conn, settings, redis)
    query(conn, "DELETE FROM availability WHERE period = 'hour' RETURNING 1")

    add_run(conn, HOUR + 2 * ONE_HOUR, status="failed")
    conn.commit()
    publish(conn, settings, redis)

    assert counts("day") == {DAY: (1, 1, 0, 0)}


def test_runs_of_future_slots_that_are_discarded_are_no_longer_finished(
    conn, settings, redis, counts, monkeypatch
):
    slot = datetime.now(UTC).replace(microsecond=0) + timedelta(days=10)
    add_run(conn, slot)
    conn.commit()
    publish(conn, settings, redis)
    monkeypatch.undo()  # the clocks are right again

    publish(conn, settings, redis)

    assert list(counts("day", now=slot).values()) == [(0, 0, 1, 0)]


def test_counts_of_hours_expire_and_those_of_days_stay(conn, settings, redis, counts):
    add_run(conn, HOUR - timedelta(days=9))
    add_run(conn, HOUR)
    conn.commit()
    publish(conn, settings, redis)

    maintain(conn, replace(settings, rollup_retention_days=5), DAY + timedelta(days=1))

    assert list(counts(reach=timedelta(days=20))) == [HOUR]
    assert list(counts("day", reach=timedelta(days=20))) == [DAY - timedelta(days=9), DAY]
