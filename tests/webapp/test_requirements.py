"""What is refused at start, and reported in /readyz: an old server, another encoding, and missing rights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.embedded import EmbeddedPostgres, postgres
from tests.conftest import FAST
from tests.support import dispose, run_sql
from tests.web import serving
from webapp.health import OK, SKIPPED, SKIPPED_DATA
from webapp.settings import ROOT, Settings

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
TOO_OLD = "PostgreSQL 15."
STARTS = {
    "upgrade": ("-m", "webapp.upgrade"),
    "flask db upgrade": ("-m", "flask", "db", "upgrade"),
    "API": ("-m", "webapp.serve"),
    "worker": ("-m", "jobs.worker"),
}


@pytest.fixture(scope="module")
def old_postgres(folder):
    """Debian's PostgreSQL 15."""
    if not POSTGRES_15.exists():
        pytest.skip(f"{POSTGRES_15} not installed")
    server = EmbeddedPostgres(folder / "postgres-15", options=FAST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "postgres_bin", lambda: POSTGRES_15)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def old(old_postgres, environment):
    return {**environment, **old_postgres.environment}


@pytest.fixture
def latin(environment, counter):
    """A database whose encoding is LATIN1."""
    name = f"latin_{next(counter)}"
    run_sql(environment, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    yield {**environment, "POSTGRES_DB": name}
    run_sql(environment, f"DROP DATABASE {name} WITH (FORCE)")


def start(environment, arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment, "LOG_LEVEL": "ERROR"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def assert_refused(environment, name: str, problem: str) -> str:
    """The start ended with code 2 and one line about the problem, which is returned."""
    done = start(environment, STARTS[name])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    action = "migrate" if "upgrade" in name else "use"
    assert line.startswith(f"cannot {action} the database: {problem}")
    return line


def ready(make_app, environment) -> tuple[int, str, dict[str, str]]:
    settings = Settings.from_env(environment)
    app = make_app(
        postgres_host=settings.postgres_host,
        postgres_user=settings.postgres_user,
        postgres_db=settings.postgres_db,
    )
    response = app.test_client().get("/readyz")
    dispose(app)
    return response.status_code, response.json["status"], response.json["checks"]


@pytest.mark.parametrize("name", STARTS)
def test_an_old_server_is_refused_at_start_in_one_line_with_code_2(old, name):
    assert assert_refused(old, name, TOO_OLD).endswith(": too old; expected 17 or newer")


def test_an_old_server_is_named_in_readyz(old, make_app):
    code, status, checks = ready(make_app, old)

    assert (code, status) == (503, "unavailable")
    assert checks["database"].startswith(TOO_OLD)
    assert checks["database"].endswith(": too old; expected 17 or newer")
    assert (checks["rights"], checks["migrations"], checks["data"]) == (SKIPPED, SKIPPED, SKIPPED_DATA)


@pytest.mark.parametrize("name", STARTS)
def test_another_encoding_is_refused_at_start_in_one_line_with_code_2(latin, name):
    assert_refused(latin, name, "encoding LATIN1: cannot store every text; expected UTF8")


def test_another_encoding_is_named_in_readyz(latin, make_app):
    code, _, checks = ready(make_app, latin)

    assert code == 503
    assert checks["database"].startswith("encoding LATIN1: ")


@pytest.mark.parametrize("name", ["upgrade", "flask db upgrade"])
def test_a_missing_right_is_refused_before_a_migration(environment, superuser, name):
    with superuser, superuser.cursor() as cursor:
        cursor.execute("ALTER TABLE benchmark.alembic_version OWNER TO CURRENT_USER")

    assert_refused(environment, name, "alembic_version: owned by another role; expected this one")


def test_a_missing_connect_is_named_in_readyz(environment, make_app):
    run_sql(environment, f"REVOKE CONNECT ON DATABASE {environment['POSTGRES_DB']} FROM PUBLIC")

    code, _, checks = ready(make_app, environment)

    assert (code, checks["database"]) == (503, "no CONNECT; expected that right")


def test_with_a_missing_right_the_api_starts_and_reports_it(environment, conn, folder):
    with conn, conn.cursor() as cursor:
        cursor.execute("REVOKE UPDATE ON run_totals FROM CURRENT_USER")

    with serving(environment, folder, command=(sys.executable, "-m", "webapp.serve")) as server:
        answer = server.request("/readyz")

    problem = "run_totals: no UPDATE; expected that right"
    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["rights"] == problem
    assert answer.json["checks"]["database"] == OK
    assert f"database: {problem}" in server.log
