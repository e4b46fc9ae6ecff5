import os
import subprocess
import sys
from contextlib import closing

import pytest
from flask_migrate import check, downgrade, upgrade

from tests.measured import answered, level, measurement, store_level
from tests.support import query, run_sql
from tests.web import slot
from webapp.ingest.publish import publish
from webapp.settings import ROOT, Settings
from webapp.store import connect

OBJECTS = """
SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'public' AND relkind IN ('r', 'p', 'm', 'v') AND relname <> 'alembic_version'
"""


@pytest.fixture
def empty(environment, counter):
    """The environment of an empty database."""
    name = f"empty_{os.getpid()}_{next(counter)}"
    run_sql(environment, f"CREATE DATABASE {name}")
    yield {**environment, "POSTGRES_DB": name}
    run_sql(environment, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_models_and_the_migrated_schema_agree(app):
    with app.app_context():
        check()


def test_all_migrations_can_be_undone_and_run_again(app, conn):
    before = sorted(query(conn, OBJECTS))

    with app.app_context():
        downgrade(revision="base")
        assert query(conn, OBJECTS) == []
        upgrade()

    assert sorted(query(conn, OBJECTS)) == before


def test_migrations_include_the_daily_partitions(app, conn):
    with conn, conn.cursor() as cursor:
        cursor.execute("CREATE TABLE points_20270101 (LIKE points INCLUDING ALL)")
        cursor.execute(
            "ALTER TABLE points ATTACH PARTITION points_20270101"
            " FOR VALUES FROM ('2027-01-01') TO ('2027-01-02')"
        )

    with app.app_context():
        check()
        downgrade(revision="base")

    assert query(conn, OBJECTS) == []


def test_concurrent_migrations_all_succeed(empty):
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    environment = {**os.environ, **empty}
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]

    logs = [process.communicate(timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], logs
    with closing(connect(Settings.from_env(empty))) as conn:
        names = query(conn, "SELECT name FROM llms ORDER BY id")
    assert names == [("GPT-4o",), ("Llama 3.1 70B",), ("Claude 3.5 Sonnet",)]


@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_an_unreachable_database_is_reported_in_one_line(environment, command):
    done = subprocess.run(
        [sys.executable, "-m", "flask", "db", command],
        cwd=ROOT,
        env={**environment, "POSTGRES_HOST": "/nowhere", "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("cannot migrate the database: ")
    assert "/nowhere" in line


def test_a_new_database_never_repeats_an_old_ones_generations(conn, empty):
    (old,) = query(conn, "SELECT value FROM generation")[0]
    subprocess.run(
        [sys.executable, "-m", "flask", "db", "upgrade"],
        cwd=ROOT,
        env={**os.environ, **empty},
        check=True,
        capture_output=True,
    )

    with closing(connect(Settings.from_env(empty))) as other:
        (new,) = query(other, "SELECT value FROM generation")[0]

    # Raising the old one every microsecond would not have reached this.
    assert new > old


def test_the_migration_before_measurements_keeps_runs_and_marks_invalid_ones_as_failed(
    app, conn, settings, redis
):
    good, odd = level([answered(0)]), level([answered(0)], invalid_reason="the client was the limit")
    for number, result in enumerate((good, odd)):
        store_level(conn, settings, redis, slot(number), measurement(), result)
    publish(conn, redis)

    with app.app_context():
        downgrade(revision="0002")
        assert query(conn, "SELECT status, error FROM runs ORDER BY id") == [
            ("finished", None),
            ("failed", "the client was the limit"),
        ]
        assert query(conn, "SELECT max(metric_id) FROM rollups") == [(4,)]
        upgrade()
        check()
