"""`flask verify` and `flask rebuild`, which tests/webapp/ingest/test_repair.py tests in detail."""

import pytest

from tests.measured import answered, level, measurement, store_level
from tests.support import query
from tests.web import slot
from tests.webapp.cli.refusal import assert_refused
from webapp.ingest.publish import publish


@pytest.fixture
def filled(conn, settings, redis):
    """Two measured runs of one day."""
    for number in range(2):
        store_level(conn, settings, redis, slot(number), measurement(), level([answered(0)]), f"job-{number}")
    publish(conn, settings, redis)


@pytest.fixture
def damage(conn):
    def damage(statement: str) -> None:
        with conn, conn.cursor() as cursor:
            cursor.execute(statement)

    return damage


def test_a_right_database_is_left_with_code_0(flask, filled):
    done = flask("verify")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "no differences\n", "")


def test_each_difference_is_a_line_and_the_code_is_1(flask, filled, damage):
    damage("UPDATE rollups SET max = 7, mean = 0.3 WHERE run_id = 2 AND metric_id = 1")
    damage("DELETE FROM period_rollups WHERE period = 'hour' AND metric_id = 1")

    done = flask("verify")

    assert done.exit_code == 1
    rollup, day, hour, *windows, summary = done.stdout.splitlines()
    assert rollup == "rollups, run 2 ttft: stored mean 0.3, max 7.0; derived mean 0.2, max 0.2"
    assert hour == (
        "period_rollups, hour 2100-01-01 08:00 measurement chat@c8 Measured ttft: stored nothing;"
        " derived runs 2, n 2, mean 0.25"
    )
    assert "day 2100-01-01 measurement chat@c8 Measured ttft: stored mean 0.2, " in day
    assert "window latest measurement chat@c8 Measured ttft: stored mean 0.2, " in windows[-1]
    assert summary == f"{3 + len(windows)} differences"


def test_no_more_lines_than_the_limit_are_printed_and_all_are_counted(flask, filled, damage):
    damage("DELETE FROM run_totals")
    damage("DELETE FROM rollups")

    done = flask("verify", "--limit", 1)

    line, count = done.stdout.splitlines()
    assert line.endswith("stored nothing; derived n 1, mean 0.2")
    assert int(count.removesuffix(" differences")) > 10
    assert len(flask("verify", "--limit", 0).stdout.splitlines()) == 1


def test_nothing_is_written(flask, filled, damage, conn):
    damage("DELETE FROM rollups")
    writes = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    query(conn, "SELECT pg_stat_force_next_flush()")
    before = query(conn, writes)

    assert flask("verify").exit_code == 1

    assert query(conn, writes) == before


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_an_unreachable_database_is_reported_in_one_line_with_code_2(make_app, command):
    runner = make_app(postgres_host="/nowhere").test_cli_runner()

    assert_refused(runner.invoke(args=[command]), "database: ", "/nowhere")


def test_rebuild_says_what_it_has_changed(flask, filled, damage):
    damage("DELETE FROM rollups WHERE metric_id = 1; UPDATE period_rollups SET n = n + 1")

    done = flask("rebuild")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "2100-01-01: changed, with the rollups of 2 runs\n"
        "1 of 1 days changed; windows, views and totals: changed\n"
    )
    assert flask("verify").exit_code == 0
    assert flask("rebuild").stdout == (
        "2100-01-01: right\n0 of 1 days changed; windows, views and totals: right\n"
    )


def test_rebuild_counts_the_runs_that_it_cannot_derive(flask, filled, damage):
    damage("DELETE FROM points WHERE run_id = 1 AND metric_id = 1")

    done = flask("rebuild")

    assert done.stdout.splitlines()[-1] == "1 runs not derived: their points are incomplete; see flask verify"


@pytest.mark.parametrize("command", ["verify --limit -1", "verify extra", "rebuild extra"])
def test_a_wrong_argument_is_refused_in_one_line(flask, command):
    assert_refused(flask(*command.split()), command.split()[1])
