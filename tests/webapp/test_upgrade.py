import subprocess
import sys

import pytest
from sqlalchemy.exc import OperationalError

from tests.support import query
from webapp import upgrade
from webapp.settings import ROOT


@pytest.fixture
def newer(conn):
    """A database that a newer version has migrated."""
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '9999'")


def test_a_newer_schema_is_not_changed(app, newer, conn):
    upgrade.migrate(app)

    assert query(conn, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_a_version_is_ready_after_a_newer_one_has_migrated(client, newer):
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json["checks"]["migrations"]) == (200, "ok")


def test_a_current_schema_on_a_read_only_server_is_no_fault(app, superuser):
    superuser.autocommit = True
    name = superuser.info.dbname
    superuser.cursor().execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    upgrade.migrate(app)

    assert app.test_client().get("/readyz").json["checks"]["database"] == "read-only"


def test_it_waits_for_a_database_that_is_starting(make_app, own_database, own_postgres):
    app = make_app(**own_database)
    own_postgres.stop()
    with pytest.raises(OperationalError):
        upgrade.migrate(app, wait_seconds=1)

    own_postgres.start()
    upgrade.migrate(app, wait_seconds=30)
    assert app.test_client().get("/readyz").json["checks"]["migrations"] == "ok"


def test_a_database_that_refuses_is_reported_in_one_line_with_code_2(environment, conn):
    with conn, conn.cursor() as cursor:
        cursor.execute("DROP TABLE alembic_version")

    done = subprocess.run(
        [sys.executable, "-m", "webapp.upgrade"],
        cwd=ROOT,
        env=environment | {"LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("cannot migrate the database: ")
    assert 'relation "llms" already exists' in line
