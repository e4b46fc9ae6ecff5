"""`flask rebuild`, which tests/webapp/ingest/test_rebuild.py tests in detail."""

from tests.measured import answered, failed, level, measurement, store_level
from tests.support import query
from tests.web import slot
from tests.webapp.cli.refusal import assert_refused
from webapp.ingest.publish import publish


def test_points_are_derived_again_and_the_changed_runs_are_counted(flask, conn, settings, redis):
    for number in range(3):
        store_level(conn, settings, redis, slot(number), measurement(), level([answered(0), failed(1)]))
    publish(conn, settings, redis)
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE points SET value = 2 * value WHERE run_id = 2")
        cursor.execute("DELETE FROM requests WHERE run_id = 3")

    done = flask("rebuild", "points")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "run 2: changed\n1 of 3 measured runs changed; the requests of 1 are no longer kept\n"
    )
    assert query(conn, "SELECT DISTINCT value FROM points WHERE metric_id = 1") == [(0.2,)]
    assert flask("rebuild", "points").stdout.startswith("0 of 3 measured runs changed;")


def test_an_unreachable_database_is_reported_in_one_line(make_app):
    runner = make_app(postgres_host="/nowhere").test_cli_runner()

    assert_refused(runner.invoke(args=["rebuild", "points"]), "database: ", "/nowhere")


def test_an_argument_is_refused_in_one_line(flask):
    assert_refused(flask("rebuild", "points", "extra"), "unexpected extra argument")
