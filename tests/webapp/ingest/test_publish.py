from datetime import UTC, datetime

import psycopg2
import pytest

from tests.factories import add_rollups, add_run, add_scenario
from tests.support import query
from webapp.ingest.publish import publish, publishing
from webapp.store import views

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def finish(conn):
    """Finishes a run and commits."""

    def finish():
        add_rollups(conn, add_run(conn, SLOT), {"ttft": [1.0]})
        conn.commit()

    return finish


def shown(conn) -> list[tuple]:
    return query(conn, "SELECT mean FROM metric_means WHERE time_window = 'latest'")


def test_finished_runs_are_shown_under_a_new_generation(conn, settings, redis, finish):
    before = views.generation(conn)
    finish()

    publish(conn, settings, redis)

    assert shown(conn) == [(1.0,)]
    assert views.generation(conn) > before


def test_without_new_runs_the_generation_stays(conn, settings, redis):
    before = views.generation(conn)

    publish(conn, settings, redis)

    assert views.generation(conn) == before


def test_a_block_publishes_its_runs_when_it_ends(conn, settings, redis, finish):
    with publishing(conn, settings, redis):
        finish()

    assert shown(conn) == [(1.0,)]


def raising(conn, settings, redis, *steps) -> None:
    """Run the steps in a block that raises afterwards."""
    with publishing(conn, settings, redis):
        for step in steps:
            step()
        raise ValueError("of the block")


def test_a_block_that_raises_publishes_what_it_has_committed(conn, settings, redis, finish):
    with pytest.raises(ValueError, match="of the block"):
        raising(conn, settings, redis, finish)

    assert shown(conn) == [(1.0,)]


def test_a_failed_statement_does_not_keep_committed_runs_from_being_published(conn, settings, redis, finish):
    def fail() -> None:
        with conn.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    with pytest.raises(psycopg2.errors.DivisionByZero):
        raising(conn, settings, redis, finish, fail)

    assert shown(conn) == [(1.0,)]


def test_a_block_that_raises_does_not_commit_its_transaction(conn, settings, redis):
    with pytest.raises(ValueError, match="of the block"):
        raising(conn, settings, redis, lambda: add_scenario(conn, "uncommitted"))

    assert query(conn, "SELECT name FROM scenarios") == [("default",)]


def test_the_error_of_a_block_outlives_a_lost_connection(conn, settings, redis):
    with pytest.raises(ValueError, match="of the block"):
        raising(conn, settings, redis, conn.close)
