"""Simulated runs, without a queue."""

from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from jobs.simulation_run import fill_slot, run_simulation
from tests.jobs.system import assert_answer_is_right, assert_exactly_once, closing_connect
from tests.support import query
from webapp.ingest.attempt import claimed
from webapp.ingest.publish import publish
from webapp.store import run_records, views

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_slot_that_runs_several_times_is_stored_once(settings, conn, redis, client):
    for _ in range(3):
        fill_slot(conn, settings, SLOT, "job")
        publish(conn, settings, redis)

    assert_exactly_once(conn, [int(SLOT.timestamp())])
    assert_answer_is_right(client, conn)


def test_a_superseded_attempt_writes_nothing(settings, conn):
    with claimed(
        conn, settings, source="simulation", scenario="default", slot=SLOT, job_id="former"
    ) as attempt:
        with closing_connect(settings) as other:
            fill_slot(other, settings, SLOT, "later")

        assert not attempt.hold(conn)

    assert_exactly_once(conn, [int(SLOT.timestamp())])


def refuse_new_rollups(conn) -> None:
    with conn, conn.cursor() as cursor:
        cursor.execute("ALTER TABLE rollups ADD CONSTRAINT impossible CHECK (n < 0) NOT VALID")


def allow_new_rollups(conn) -> None:
    with conn, conn.cursor() as cursor:
        cursor.execute("ALTER TABLE rollups DROP CONSTRAINT impossible")


def test_a_failed_run_records_its_error_and_stores_no_points(settings, conn):
    refuse_new_rollups(conn)

    with pytest.raises(psycopg2.errors.CheckViolation):
        fill_slot(conn, settings, SLOT, "job")

    rows = query(conn, "SELECT DISTINCT status, attempts, error LIKE 'CheckViolation: %%' FROM runs")
    assert rows == [("failed", 1, True)]
    assert query(conn, "SELECT count(*) FROM points") == [(0,)]


@pytest.mark.usefixtures("own_environment")
def test_a_failure_raises_the_generation_and_leaves_the_rankings_unchanged(settings, conn, redis, client):
    fill_slot(conn, settings, SLOT, "job")
    publish(conn, settings, redis)
    before = views.generation(conn)
    conn.rollback()
    refuse_new_rollups(conn)

    with pytest.raises(psycopg2.errors.CheckViolation):
        run_simulation(int(SLOT.timestamp()) + 600)

    number = views.generation(conn)
    assert number > before
    assert query(conn, "SELECT DISTINCT status, generation FROM runs ORDER BY 2") == [
        ("finished", before),
        ("failed", number),
    ]
    assert_answer_is_right(client, conn)
    failures = run_records.last_failures(conn, source="simulation", scenario_id=1)
    assert len(failures) == 3
    slot = SLOT + timedelta(seconds=600)
    with claimed(conn, settings, source="simulation", scenario="default", slot=slot, job_id="again"):
        assert query(conn, "SELECT DISTINCT generation FROM runs WHERE slot = %s", slot) == [(None,)]
        assert run_records.last_failures(conn, source="simulation", scenario_id=1) == failures


def test_the_next_attempt_finishes_a_failed_run(settings, conn, redis, client):
    refuse_new_rollups(conn)
    with pytest.raises(psycopg2.errors.CheckViolation):
        fill_slot(conn, settings, SLOT, "job")
    publish(conn, settings, redis)
    allow_new_rollups(conn)

    fill_slot(conn, settings, SLOT, "job")
    publish(conn, settings, redis)

    assert query(conn, "SELECT DISTINCT attempts, error FROM runs") == [(2, None)]
    assert_exactly_once(conn, [int(SLOT.timestamp())])
    assert_answer_is_right(client, conn)


def test_publishing_nothing_new_keeps_the_generation(settings, conn, redis):
    fill_slot(conn, settings, SLOT, "job")
    publish(conn, settings, redis)
    before = views.generation(conn)

    publish(conn, settings, redis)

    assert views.generation(conn) == before


def test_one_refresh_publishes_all_runs_that_have_ended(settings, conn, redis):
    before = views.generation(conn)
    for hour in (9, 10, 11):
        fill_slot(conn, settings, SLOT.replace(hour=hour), "job")

    publish(conn, settings, redis)

    assert views.generation(conn) > before
