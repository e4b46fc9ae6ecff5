"""Errors of `flask grafana-reader`; what the role may read is tested with the dashboards."""

from tests.webapp.cli.refusal import assert_refused

GRAFANA = {"grafana_db_user": "grafana_of_a_test", "grafana_db_password": "secret"}


def test_an_unreachable_database_is_reported_in_one_line(make_app):
    runner = make_app(**GRAFANA, postgres_host="/nowhere").test_cli_runner()

    assert_refused(runner.invoke(args=["grafana-reader"]), "database: ", "/nowhere")


def test_a_database_without_migrations_is_reported_with_the_remedy(make_app, own_database):
    runner = make_app(**GRAFANA, **own_database).test_cli_runner()

    assert_refused(runner.invoke(args=["grafana-reader"]), "not migrated; run make run-migrations")


def test_an_argument_is_refused_in_one_line(flask):
    assert_refused(flask("grafana-reader", "extra"), "unexpected extra argument")
