from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import psycopg2
import pytest

from llm_measure.metrics import METRICS
from tests.support import query
from webapp.ingest.attempt import claimed, finish
from webapp.store import connect, runs

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHAT = {"source": "simulation", "scenario": "default", "slot": SLOT, "job_id": "job"}


def states(conn) -> list[tuple]:
    return query(conn, "SELECT status, error, points FROM runs ORDER BY id")


def test_a_claim_is_committed_with_the_partitions_of_its_day(conn, settings):
    with claimed(conn, settings, **WHAT) as attempt:
        conn.rollback()

        assert len(attempt.runs) == 3
        assert states(conn) == [("running", None, None)] * 3
        assert query(conn, "SELECT to_regclass('points_20261124') IS NOT NULL") == [(True,)]


def test_an_exception_in_the_block_becomes_the_runs_error(conn, settings):
    with pytest.raises(ValueError, match="why"), claimed(conn, settings, **WHAT):
        raise ValueError("why")

    conn.rollback()
    assert states(conn) == [("failed", "ValueError: why", None)] * 3


def test_an_exception_becomes_the_runs_error_even_if_the_connection_is_lost(conn, settings):
    end = "SELECT pg_terminate_backend(%s)"
    with closing(connect(settings)) as other:
        with pytest.raises(psycopg2.OperationalError, match="terminat"), claimed(conn, settings, **WHAT):
            query(other, end, conn.info.backend_pid) and conn.cursor().execute("SELECT 1")

        assert [(status, "terminat" in error) for status, error, _ in states(other)] == [("failed", True)] * 3


def test_points_rollups_and_status_are_committed_together(conn, settings):
    with claimed(conn, settings, **WHAT) as attempt:
        assert attempt.hold(conn)
        values = [(run, METRICS["ttft"], np.array([1.0, 2.0])) for run in attempt.runs]
        assert finish(conn, attempt, values) == 6
        conn.rollback()
        assert states(conn) == [("running", None, None)] * 3
        assert query(conn, "SELECT count(*) FROM points") == [(0,)]

        attempt.hold(conn)
        finish(conn, attempt, values)
        conn.commit()

    assert states(conn) == [("finished", None, 2)] * 3
    assert query(conn, "SELECT count(*) FROM points") == [(6,)]
    assert query(conn, "SELECT DISTINCT n, mean FROM rollups") == [(2, 1.5)]


def test_an_attempt_does_not_hold_runs_that_a_newer_one_has_claimed(conn, settings):
    with claimed(conn, settings, **WHAT) as attempt:
        runs.claim(conn, **{**WHAT, "token": uuid4()})
        conn.commit()

        assert not attempt.hold(conn)


def test_finished_runs_are_not_claimed_again(conn, settings):
    with claimed(conn, settings, **WHAT) as attempt:
        finish(conn, attempt, [(run, METRICS["ttft"], np.ones(1)) for run in attempt.runs])
        conn.commit()

    with claimed(conn, settings, **WHAT) as again:
        assert again.runs == []
