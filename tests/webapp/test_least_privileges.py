"""The whole product under a role that has a schema and no other right: neither public, nor TEMP."""

import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from jobs.embedded.binaries import postgres_bin
from jobs.maintenance import maintain
from tests.docs.pages import Page
from tests.plain_role import ROLE, SCHEMA, create_database, plain
from tests.support import as_superuser, dispose, query, run_sql
from tests.web import show_run
from tests.webapp.conftest import with_key
from webapp import create_app
from webapp.settings import Settings
from webapp.store import connect, partitions, views
from webapp.store.grafana_role import make_reader
from webapp.store.requirements import missing_rights, unsuitable
from webapp.upgrade import migrate

RIGHTS = """
SELECT
    rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
    OR has_database_privilege(current_database(), 'TEMP')
    OR has_database_privilege(current_database(), 'CREATE')
    OR has_schema_privilege('public', 'USAGE')
FROM pg_roles
WHERE rolname = current_user
"""
SCHEMAS = "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class WHERE relowner = %s::regrole"


@pytest.fixture
def environment(server_environment, counter):
    """An empty database in which nobody has rights by default, except for connecting."""
    name = f"least_{next(counter)}"
    create_database(server_environment, name)
    run_sql(server_environment, f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    yield plain(server_environment, name)
    run_sql(server_environment, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def app(app):
    migrate(app)
    return app


def test_it_migrates_measures_maintains_serves_verifies_and_rebuilds(app, conn, settings, redis):
    assert query(conn, RIGHTS) == [(False,)]
    show_run(settings, redis, 0)
    show_run(settings, redis, 1)

    now = datetime.now(UTC)
    partitions.ensure(conn, (now - timedelta(days=9)).date(), 0)
    conn.commit()
    maintain(conn, replace(settings, retention_days=3), now)

    client, command = with_key(app), app.test_cli_runner()
    assert client.get("/readyz").json["status"] == "ok"
    board = client.get("/api/v1/benchmarks/leaderboard?window=all").json["metrics"][0]["llms"]
    assert {row["runs"] for row in board} == {2}
    assert command.invoke(args=["verify"]).output == "no differences\n"
    query(conn, "DELETE FROM period_rollups RETURNING period")
    assert "windows, views and totals: changed" in command.invoke(args=["rebuild"]).output
    assert command.invoke(args=["verify"]).output == "no differences\n"
    assert (now - timedelta(days=9)).date() not in partitions.days(conn, "points")
    assert query(conn, SCHEMAS, ROLE) == [(SCHEMA,), ("pg_toast",)]


def test_without_temp_a_refresh_gives_way_to_who_reads_a_view_for_long(
    app, conn, settings, redis, monkeypatch
):
    monkeypatch.setattr(views, "LOCK_SECONDS", 0.1)
    show_run(settings, redis, 0)
    with closing(connect(settings, "pg_dump")) as dump, dump.cursor() as cursor:
        cursor.execute("SELECT FROM metric_means")

        with pytest.raises(psycopg2.errors.LockNotAvailable):
            views.refresh_views(conn)


def test_with_temp_a_refresh_does_not_wait_for_readers(app, conn, environment, settings, redis):
    run_sql(environment, f"GRANT TEMPORARY ON DATABASE {environment['POSTGRES_DB']} TO {ROLE}")
    show_run(settings, redis, 0)
    with closing(connect(Settings.from_env(environment))) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT FROM metric_means")

        show_run(settings, redis, 1)


@pytest.fixture
def documented(server_environment):
    """The environment of the role, database and schema that the documentation has an administrator create."""
    yield {**server_environment, "POSTGRES_USER": "documented", "POSTGRES_DB": "documented"}
    run_sql(server_environment, "DROP DATABASE IF EXISTS documented WITH (FORCE)")
    run_sql(server_environment, "DROP ROLE IF EXISTS documented, documented_reader")


def administer(environment, page: str) -> None:
    """Run the page's SQL as an administrator does, with other names."""
    (block,) = [block.text for block in Page(page).blocks() if block.text.startswith("CREATE ROLE")]
    statements = block.replace("llm_benchmark", "documented").replace("grafana_reader", "documented_reader")
    done = subprocess.run(
        [postgres_bin() / "psql", "--set=ON_ERROR_STOP=1", "--quiet", "--host", environment["POSTGRES_HOST"],
         "--username", as_superuser(environment)["POSTGRES_USER"], "postgres"],
        input=statements, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_documentation_has_created_suffices(server_environment, documented, redis):
    administer(server_environment, "docs/install.md")
    settings = Settings.from_env(documented)
    app = create_app(settings)
    migrate(app)
    dispose(app)
    show_run(settings, redis, 0)
    administer(server_environment, "docs/monitor.md")
    with closing(connect(settings)) as conn:
        assert query(conn, "SELECT current_schema()") == [("documented",)]
        assert (unsuitable(conn), missing_rights(conn)) == ([], [])
        assert make_reader(conn, "documented_reader", "its-password") is False
        conn.commit()

    with closing(connect(replace(settings, postgres_user="documented_reader"))) as reader:
        assert query(reader, "SELECT count(*) > 0 FROM metric_means") == [(True,)]
