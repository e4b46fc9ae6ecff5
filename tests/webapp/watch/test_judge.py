"""Runs are judged once, with the refresh that shows them, and only while the client measures rightly."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support import query
from tests.watched import Watched
from tests.web import slot
from webapp import generation
from webapp.ingest.publish import publish
from webapp.store import incidents, self_checks, views
from webapp.store.self_checks import SelfCheckError
from webapp.watch.judge import judge

DOWN = {"status": "failed", "error": "all 100 requests failed"}


@pytest.fixture
def check(conn):
    """Stores a self-check with that median error, by the number of the slot."""

    def check(number: int, error_s: float) -> None:
        self_checks.insert(conn, slot(number), [SelfCheckError("ttft", 250, 0.2, error_s, error_s)])
        conn.commit()

    return check


@pytest.fixture
def checked(conn, settings, redis) -> Watched:
    """A measured endpoint, with self-checks every hour."""
    return Watched(conn, replace(settings, self_check_interval=3600), redis)


def test_a_refresh_that_is_rolled_back_leaves_nothing_and_the_next_one_judges(
    watched, conn, settings, redis, opened, kinds
):
    def refresh_and_fail() -> None:
        with generation.change(conn, redis) as number:
            now = datetime.now(UTC)
            judge(conn, settings, views.refresh(conn, now, number), now)
            assert incidents.read(conn)
            raise ValueError("killed")

    for _ in range(2):
        watched.store(**DOWN)
    conn.commit()
    with pytest.raises(ValueError, match="killed"):
        refresh_and_fail()
    assert opened() == []

    publish(conn, settings, redis)
    publish(conn, settings, redis)

    (incident,) = opened()
    assert kinds(incident.id) == ["opened"]


def test_an_incident_has_the_generation_of_the_run_that_shows_it(watched, conn, settings, redis):
    for _ in range(2):
        watched.store(**DOWN)
    before = views.generation(conn)
    watched.publish()

    ((after,),) = query(conn, "SELECT value FROM generation")
    assert after > before
    assert query(conn, "SELECT DISTINCT runs.generation FROM runs, incidents") == [(after,)]


def test_a_fault_in_judging_is_logged_and_keeps_no_run_from_being_published(watched, conn, opened, caplog):
    query(conn, "ALTER TABLE signals RENAME TO elsewhere; SELECT 1")
    watched.store(**DOWN)
    watched.store(**DOWN)
    watched.publish()

    assert query(conn, "SELECT count(*) FROM runs WHERE generation IS NULL") == [(0,)]
    assert query(conn, "SELECT sum(failed) FROM availability WHERE period = 'day'") == [(2,)]
    assert "runs were published without being judged" in caplog.text

    query(conn, "ALTER TABLE elsewhere RENAME TO signals; SELECT 1")
    watched.show(**DOWN)
    assert len(opened()) == 1


def test_nothing_is_judged_while_the_client_measures_wrongly(checked, check, opened):
    check(0, 0.003)
    checked.runs(5, **DOWN)
    assert opened() == []

    check(5, 0.0005)
    checked.show(number=5, **DOWN)
    assert opened() == []
    checked.show(**DOWN)
    assert len(opened()) == 1


def test_an_incident_stays_open_while_the_client_measures_wrongly(checked, check, opened):
    checked.runs(2, **DOWN)
    check(2, -0.003)
    checked.show(number=2, ttft=1.0)

    assert opened()[0].status == "open"


def test_runs_from_while_the_client_measured_wrongly_are_no_part_of_a_series(checked, check, opened):
    checked.runs(60, ttft=1.0)
    check(60, 0.003)
    checked.runs(5, ttft=2.0)
    check(65, 0.0005)
    checked.show(ttft=2.0)  # an outlier

    assert opened() == []


def test_a_self_check_counts_for_two_intervals_at_most(checked, check, opened):
    check(0, 0.003)
    checked.show(number=11, **DOWN)
    checked.show(number=12, **DOWN)
    assert opened() == []

    checked.show(number=13, **DOWN)

    assert len(opened()) == 1


def test_self_checks_from_before_they_were_switched_off_do_not_count(watched, check, opened):
    check(0, 0.003)
    watched.runs(2, **DOWN)

    assert len(opened()) == 1


def test_simulations_are_judged_whatever_the_client_measures(checked, check, opened):
    checked.runs(60, source="simulation", measured=False, ttft=1.0)
    check(60, 0.003)
    checked.runs(5, source="simulation", measured=False, ttft=1.4)

    assert [(incident.source, incident.subject) for incident in opened()] == [("simulation", "GPT-4o")]


def test_a_refresh_without_a_run_that_ended_is_judged_too(watched, conn, settings, opened):
    judge(conn, settings, [], datetime.now(UTC))

    assert opened() == []
