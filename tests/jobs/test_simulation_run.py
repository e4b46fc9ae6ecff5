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


def test_a_slot_is_filled_and_shown_once_however_often_it_is_run(settings, conn, redis, client):
    for _ in range(3):
        fill_slot(conn, settings, SLOT, "job")
        publish(conn, redis)

    assert_exactly_once(conn, [int(SLOT.timestamp())])
    assert_answer_is_right(client, conn)


def test_an_attempt_that_was_taken_over_writes_nothing(settings, conn):
    with claimed(conn, source="simulation", scenario="default", slot=SLOT, job_id="former") as attempt:
        with closing_connect(settings) as other:
            fill_slot(other, settings, SLOT, "later")

        assert not attempt.hold(conn)

    assert_exactly_once(conn, [int(SLOT.timestamp())])


def refuse_new_rollups(conn) -> None:
    """So that no run can be stored any more."""
    with conn, conn.cursor() as cursor:
        cursor.execute("ALTER TABLE rollups ADD CONSTRAINT impossible CHECK (n < 0) NOT VALID")


def allow_new_rollups(conn) -> None:
    with conn, conn.cursor() as cursor:
        cursor.execute("ALTER TABLE rollups DROP CONSTRAINT impossible")


def test_a_run_that_fails_is_recorded_with_its_error_and_leaves_nothing_else(settings, conn):
    refuse_new_rollups(conn)

    with pytest.raises(psycopg2.errors.CheckViolation):
        fill_slot(conn, settings, SLOT, "job")

    rows = query(conn, "SELECT DISTINCT status, attempts, error LIKE 'CheckViolation: %%' FROM runs")
    assert rows == [("failed", 1, True)]
    assert query(conn, "SELECT count(*) FROM points") == [(0,)]


@pytest.mark.usefixtures("own_environment")
def test_a_failure_is_shown_by_a_generation_of_its_own_that_leaves_the_ranking_alone(
    settings, conn, redis, client
):
    fill_slot(conn, settings, SLOT, "job")
    publish(conn, redis)
    before = views.generation(conn)
    conn.rollback()
    refuse_new_rollups(conn)

    with pytest.raises(psycopg2.errors.CheckViolation):
        run_simulation(int(SLOT.timestamp()) + 600)

    assert views.generation(conn) == before + 1
    assert query(conn, "SELECT DISTINCT status, generation - %s FROM runs ORDER BY 2", before) == [
        ("finished", 0),
        ("failed", 1),
    ]
    assert_answer_is_right(client, conn)
    failures = run_records.last_failures(conn, source="simulation", scenario_id=1)
    assert len(failures) == 3
    slot = SLOT + timedelta(seconds=600)
    with claimed(conn, source="simulation", scenario="default", slot=slot, job_id="again"):
        assert query(conn, "SELECT DISTINCT generation FROM runs WHERE slot = %s", slot) == [(None,)]
        assert run_records.last_failures(conn, source="simulation", scenario_id=1) == failures


def test_a_failed_run_is_finished_by_the_next_attempt(settings, conn, redis, client):
    refuse_new_rollups(conn)
    with pytest.raises(psycopg2.errors.CheckViolation):
        fill_slot(conn, settings, SLOT, "job")
    publish(conn, redis)
    allow_new_rollups(conn)

    fill_slot(conn, settings, SLOT, "job")
    publish(conn, redis)

    assert query(conn, "SELECT DISTINCT attempts, error FROM runs") == [(2, None)]
    assert_exactly_once(conn, [int(SLOT.timestamp())])
    assert_answer_is_right(client, conn)


def test_nothing_new_leaves_the_generation_as_it_is(settings, conn, redis):
    fill_slot(conn, settings, SLOT, "job")
    publish(conn, redis)
    before = views.generation(conn)

    publish(conn, redis)

    assert views.generation(conn) == before


def test_runs_that_ended_together_are_shown_by_one_refresh(settings, conn, redis):
    before = views.generation(conn)
    for hour in (9, 10, 11):
        fill_slot(conn, settings, SLOT.replace(hour=hour), "job")

    publish(conn, redis)

    assert views.generation(conn) == before + 1
