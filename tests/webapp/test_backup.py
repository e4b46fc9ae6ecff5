"""Backups by PostgreSQL's own tools restore whole, into an empty server."""

import os
import subprocess
from contextlib import closing

import pytest
from psycopg2 import sql

from jobs.embedded import EmbeddedPostgres
from jobs.embedded.account import server_account
from jobs.embedded.binaries import postgres_bin
from jobs.embedded.folders import make_private
from tests.conftest import FAST
from tests.measured import answered, failed, level, measurement, store_level
from tests.plain_role import ROLE, plain
from tests.support import as_superuser, dispose, query, run_sql
from tests.web import answered as rankings
from tests.web import show_run, slot
from tests.webapp.conftest import with_key
from webapp.ingest.publish import publish
from webapp.settings import Settings
from webapp.store import connect
from webapp.upgrade import migrate

TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'm') ORDER BY 1
"""


@pytest.fixture
def filled(settings, redis):
    """The test's database, filled."""
    fill(settings, redis)


def fill(settings, redis) -> None:
    """Store and publish simulated, measured, failed and invalid runs."""
    for number in range(3):
        show_run(settings, redis, number)
    levels = (
        level([answered(0), answered(1)]),
        level([answered(0)], invalid_reason="the client was the limit"),
        level([failed(0)]),
    )
    with closing(connect(settings)) as conn:
        for number, result in enumerate(levels):
            store_level(conn, settings, redis, slot(number), measurement(), result)
        publish(conn, settings, redis)


@pytest.fixture
def elsewhere(own_postgres, own_database, environment):
    """The environment of an empty database of the same role on another server."""
    there, name = {**environment, **own_postgres.environment}, own_database["postgres_db"]
    run_sql(there, f"DROP DATABASE {name}")
    run_sql(there, f"CREATE DATABASE {name} OWNER {ROLE}")
    return plain(there, name)


def contents(environment) -> dict[str, list[tuple]]:
    """All rows of all tables, partitions and views, as text."""
    rows = sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1")
    with closing(connect(Settings.from_env(environment))) as conn:
        conn.cursor().execute("SET TIME ZONE 'UTC'")  # the servers' own differ
        return {
            name: query(conn, rows.format(sql.Identifier(name)).as_string(conn))
            for (name,) in query(conn, TABLES)
        }


def run(environment, command: str, *arguments: str, **options) -> None:
    """Run one of PostgreSQL's commands on the environment's database; it must neither fail nor warn."""
    names = {"HOST": "HOST", "PORT": "PORT", "USER": "USER", "PASSWORD": "PASSWORD", "DB": "DATABASE"}
    variables = {f"PG{pg}": environment.get(f"POSTGRES_{name}", "") for name, pg in names.items()}
    done = subprocess.run(
        [postgres_bin() / command, *arguments], env={**os.environ, **variables},
        capture_output=True, text=True, check=False, timeout=60, **options,
    )  # fmt: skip
    # The embedded server has its socket in its data folder.
    warnings = [line for line in done.stderr.splitlines() if "skipping special file" not in line]
    assert (done.returncode, warnings) == (0, []), done.stderr


def assert_it_serves_and_continues(make_app, redis, source, restored) -> None:
    """The restored database answers as the source does, is ready, and stores a new run."""
    settings = Settings.from_env(restored)
    app = make_app(postgres_host=settings.postgres_host, postgres_db=settings.postgres_db)
    other = make_app(postgres_host=source["POSTGRES_HOST"], postgres_db=source["POSTGRES_DB"])
    url = "/api/v1/benchmarks/leaderboard?window=all"
    assert with_key(app).get(url).json == with_key(other).get(url).json
    assert app.test_client().get("/readyz").json["status"] == "ok"

    before, _ = rankings(with_key(app))
    show_run(settings, redis, 9)
    after, _ = rankings(with_key(app))
    assert after > before
    board = with_key(app).get(url).json["metrics"][0]["llms"]
    assert {row["runs"] for row in board} == {4}
    dispose(app)


@pytest.mark.parametrize("form", ["custom", "directory", "plain"])
@pytest.mark.parametrize("options", [(), ("--no-owner",)], ids=["as-it-is", "no-owner"])
def test_a_dump_restores_whole(environment, elsewhere, filled, make_app, redis, tmp_path, form, options):
    before = contents(environment)
    assert all(before[name] for name in ("metric_means", "metric_quantiles", "period_rollups_days"))
    dump = str(tmp_path / "dump")

    if form == "plain":
        run(environment, "pg_dump", *options, "--file", dump)
        run(elsewhere, "psql", "--set=ON_ERROR_STOP=1", "--quiet", "--file", dump)
    else:
        run(environment, "pg_dump", *options, "--format", form, "--file", dump)
        run(elsewhere, "pg_restore", *options, "--exit-on-error", "--dbname", elsewhere["POSTGRES_DB"], dump)

    assert contents(elsewhere) == before
    assert_it_serves_and_continues(make_app, redis, environment, elsewhere)


def test_a_dump_with_grants_restores_without_their_role(environment, elsewhere, superuser, filled, tmp_path):
    """By the options that docs/operate.md names."""
    with superuser, superuser.cursor() as cursor:
        cursor.execute("CREATE ROLE reads_the_dump; GRANT SELECT ON benchmark.metric_means TO reads_the_dump")
    before, dump = contents(environment), str(tmp_path / "dump")
    try:
        run(environment, "pg_dump", "--format=custom", "--file", dump)
    finally:
        with superuser, superuser.cursor() as cursor:
            cursor.execute("DROP OWNED BY reads_the_dump; DROP ROLE reads_the_dump")

    run(elsewhere, "pg_restore", "--no-owner", "--no-privileges", "--single-transaction",
        "--dbname", elsewhere["POSTGRES_DB"], dump)  # fmt: skip

    assert contents(elsewhere) == before


def test_a_base_backup_restores_whole(environment, own_postgres, make_app, own_database, redis, folder):
    """The copy, with the WAL that makes it consistent, is the data folder of a new server."""
    environment = {
        **environment,
        "POSTGRES_HOST": own_postgres.host,
        "POSTGRES_DB": own_database["postgres_db"],
    }
    migrate(make_app(**own_database))
    fill(Settings.from_env(environment), redis)
    backup, account = folder / "base-backup", server_account()
    make_private(backup, account)
    identity = {"user": account.pw_uid, "group": account.pw_gid} if account else {}

    run(as_superuser(environment), "pg_basebackup", "--pgdata", str(backup), "--wal-method=stream",
        "--checkpoint=fast", cwd="/", **identity)  # fmt: skip
    run(environment, "pg_verifybackup", str(backup), cwd="/", **identity)
    before = contents(environment)

    server = EmbeddedPostgres(backup, options=FAST)
    server.start()
    try:
        started = {**environment, "POSTGRES_HOST": server.host}
        assert contents(started) == before
        assert_it_serves_and_continues(make_app, redis, environment, started)
    finally:
        server.stop()
