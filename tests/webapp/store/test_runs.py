from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.factories import add_llm, archive_llm
from tests.support import query
from webapp.store import runs

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
LLMS = ["GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet"]


@pytest.fixture
def claim(conn):
    """Claims the slot and commits; returns the token and the runs."""

    def claim():
        token = uuid4()
        claimed = runs.claim(
            conn, source="simulation", scenario="default", slot=SLOT, token=token, job_id="job"
        )
        conn.commit()
        return token, claimed

    return claim


def states(conn) -> list[tuple]:
    return query(conn, "SELECT status, attempts, error, points FROM runs ORDER BY id")


def test_a_claim_creates_a_run_for_each_ranked_llm(conn, claim):
    archive_llm(conn, "GPT-4o")

    _, claimed = claim()

    assert [run.llm_name for run in claimed] == LLMS[1:]
    assert states(conn) == [("running", 1, None, None)] * 2


def test_a_later_claim_takes_over_and_the_earlier_attempt_cannot_write(conn, claim):
    former_token, former = claim()
    later_token, later = claim()

    assert former == later
    assert not runs.hold(conn, former, former_token)
    conn.rollback()
    assert runs.hold(conn, later, later_token)
    conn.rollback()
    assert states(conn) == [("running", 2, None, None)] * 3


def test_a_finished_run_is_never_claimed_again(conn, claim):
    token, claimed = claim()
    runs.hold(conn, claimed, token)
    runs.finish(conn, claimed, 4000)
    conn.commit()

    _, again = claim()

    assert again == []
    assert states(conn) == [("finished", 1, None, 4000)] * 3


def test_a_failed_run_keeps_its_error_until_another_attempt_ends(conn, claim):
    token, claimed = claim()
    runs.fail(conn, claimed, token, "ValueError: why")
    assert states(conn) == [("failed", 1, "ValueError: why", None)] * 3

    token, again = claim()
    assert states(conn) == [("running", 2, "ValueError: why", None)] * 3

    runs.hold(conn, again, token)
    runs.finish(conn, again, 4000)
    assert states(conn) == [("finished", 2, None, 4000)] * 3


def test_an_attempt_that_was_taken_over_cannot_mark_the_run_failed(conn, claim):
    former_token, former = claim()
    claim()

    runs.fail(conn, former, former_token, "too late")

    assert states(conn) == [("running", 2, None, None)] * 3


def test_the_unfinished_runs_of_a_dead_job_are_marked_failed(conn, claim):
    _, claimed = claim()
    runs.finish(conn, claimed[:1], 4000)

    runs.fail_job(conn, "job", "killed")
    runs.fail_job(conn, "another-job", "not this one")

    assert states(conn) == [("finished", 1, None, 4000)] + [("failed", 1, "killed", None)] * 2


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE runs; --", 'double "quotes"', "percent %s %(slot)s", "日本 \u202eabc"]
)
def test_no_name_is_interpreted_as_sql(conn, claim, name):
    add_llm(conn, name)

    _, claimed = claim()

    assert claimed[-1].llm_name == name


@pytest.mark.parametrize("error", ["nul \0 here", "half \ud83d of a pair"])
def test_an_error_that_postgresql_refuses_is_stored_with_replacements(conn, claim, error):
    token, claimed = claim()
    runs.fail(conn, claimed[:1], token, error)
    runs.invalidate(conn, claimed[1:2], error)
    runs.fail_job(conn, "job", error)

    texts = query(conn, "SELECT coalesce(error, invalid_reason) FROM runs")
    assert {text[:4] for (text,) in texts} == {error[:4]}
