"""What `flask grafana-reader` reports; the role is tested in tests/webapp/store and with the dashboards."""

import pytest

from tests.support import run_sql
from tests.webapp.cli.refusal import assert_refused

NAME = "grafana_of_a_test"
GRAFANA = {"grafana_db_user": NAME, "grafana_db_password": "secret"}


@pytest.fixture
def grafana_reader(make_app):
    """Runs `flask grafana-reader ARGUMENTS...`."""
    runner = make_app(**GRAFANA).test_cli_runner()
    return lambda *arguments: runner.invoke(args=["grafana-reader", *arguments])


@pytest.fixture
def made_beforehand(environment, superuser):
    run_sql(environment, f"CREATE ROLE {NAME} LOGIN")
    yield
    with superuser, superuser.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {NAME}; DROP ROLE {NAME}")


def test_an_unreachable_database_is_reported_in_one_line(make_app):
    runner = make_app(**GRAFANA, postgres_host="/nowhere").test_cli_runner()

    assert_refused(runner.invoke(args=["grafana-reader"]), "database: ", "/nowhere")


def test_a_database_without_migrations_is_reported_with_the_remedy(make_app, own_database):
    runner = make_app(**GRAFANA, **own_database).test_cli_runner()

    assert_refused(runner.invoke(args=["grafana-reader"]), "not migrated; run make run-migrations")


def test_an_argument_is_refused_in_one_line(flask):
    assert_refused(flask("grafana-reader", "extra"), "unexpected extra argument")


def test_a_missing_right_is_reported_with_code_2(grafana_reader):
    assert_refused(grafana_reader(), f"role {NAME}: does not exist, and making it needs CREATEROLE")


def test_if_permitted_a_missing_right_is_reported_and_the_code_is_0(grafana_reader):
    done = grafana_reader("--if-permitted")

    assert (done.exit_code, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"no role for Grafana: role {NAME}: does not exist, and making it needs CREATEROLE"
    )


def test_a_role_made_beforehand_keeps_what_only_admin_option_may_change(grafana_reader, made_beforehand):
    done = grafana_reader()

    assert done.exit_code == 0
    rights, kept = done.stdout.splitlines()
    assert rights == f"{NAME} may read, and only read, what the dashboards show"
    assert kept == (
        f"{NAME} keeps its password, limits and search_path: changing them needs CREATEROLE,"
        f" and the ADMIN OPTION on {NAME}"
    )


def test_the_server_s_detail_is_shown(grafana_reader, environment):
    run_sql(environment, f"REVOKE CONNECT ON DATABASE {environment['POSTGRES_DB']} FROM PUBLIC")

    assert_refused(
        grafana_reader(), "permission denied for database", "(User does not have CONNECT privilege.)"
    )
