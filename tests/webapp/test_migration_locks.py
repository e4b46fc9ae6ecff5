"""Migrations while another session holds locks, as pg_dump does for as long as it takes."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count

import pytest
from flask_migrate import downgrade

from jobs import start
from tests.jobs.system import until
from tests.support import KEY, query
from tests.web import show_run
from webapp import schema_version
from webapp.lock_wait import LOCK_TIMEOUT_MS, WAITING
from webapp.settings import ROOT
from webapp.store import connect

# What a wait may take in addition, on a machine that is busy.
A_LITTLE = 1.5
VERSION = "SELECT version_num FROM alembic_version"
NEXT = """
from alembic import op

revision = "next"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("ALTER TABLE runs ADD COLUMN note text")
"""

# A second run with the values of the first, as version 0001 stores it.
COPY_RUN = """
INSERT INTO runs (source, workload_id, llm_id, slot, status, attempts, token, job_id, started_at)
SELECT source, workload_id, llm_id, slot + interval '1 minute', status, attempts, token, 'copy', started_at
FROM runs WHERE id = 1;
INSERT INTO points SELECT recorded_at, lastval(), metric_id, value FROM points WHERE run_id = 1;
INSERT INTO rollups SELECT lastval(), metric_id, n, mean, m2, min, max FROM rollups WHERE run_id = 1;
SELECT
"""
HISTOGRAMS = """
SELECT metric_id, histogram FROM rollups JOIN runs ON runs.id = run_id
WHERE runs.id = 1 OR job_id = 'copy' ORDER BY run_id, metric_id
"""
WAITING_FOR_LOCK = "SELECT FROM pg_locks WHERE NOT granted"


@pytest.fixture
def next_version(folder, counter):
    """The migrations of a version after this one, the newest of which changes the table of runs."""
    path = folder / f"migrations-{next(counter)}"
    shutil.copytree(ROOT / "migrations", path, ignore=shutil.ignore_patterns("__pycache__"))
    (head,) = schema_version.wanted()
    (path / "versions" / "next.py").write_text(NEXT.format(head=head))
    return path


@pytest.fixture
def dump(settings):
    """A connection that holds what pg_dump holds until its transaction ends."""
    with closing(connect(settings, "pg_dump")) as dump:
        yield dump


def lock_tables(dump) -> None:
    with dump.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        tables = ", ".join(name for (name,) in cursor.fetchall())
        cursor.execute(f"LOCK TABLE {tables} IN ACCESS SHARE MODE")


@pytest.fixture
def behind(app, conn, dump):
    """A database at 0007, whose next migration changes a table that is being dumped."""
    with app.app_context():
        downgrade(revision="0007")
    lock_tables(dump)


class Repeated:
    """Repeats work until the block ends; keeps the longest duration, and the number of calls."""

    def __init__(self, work: Callable[[], object]):
        self.longest = 0.0
        self.calls = 0
        self._work = work

    @contextmanager
    def running(self) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._repeat, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _repeat(self, ended: threading.Event) -> None:
        while not ended.wait(0.02):
            begin = time.monotonic()
            self._work()
            self.longest = max(self.longest, time.monotonic() - begin)
            self.calls += 1


def get(app, path: str) -> None:
    response = app.test_client().get(f"/api/v1/benchmarks/{path}", headers={"x-api-key": KEY})
    assert response.status_code == 200, response.text


def change_llm(app) -> None:
    response = app.test_client().patch(
        "/api/v1/llms/1", headers={"x-api-key": KEY}, json={"provider": "azure"}
    )
    assert response.status_code == 200, response.text


def flask_upgrade(environment, folder, log) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "db", "upgrade", "--directory", str(folder)],
        cwd=ROOT, env={**os.environ, **environment, "LOG_LEVEL": "WARNING"}, stderr=log,
    )  # fmt: skip


def containers_upgrade(environment, **changes: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "webapp.upgrade"],
        cwd=ROOT, env={**os.environ, **environment, "LOG_LEVEL": "WARNING", **changes},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def test_a_migration_behind_a_dump_lets_others_work_and_ends_after_it(
    app, conn, settings, redis, environment, next_version, dump, tmp_path
):
    numbers = count()
    work = [
        Repeated(lambda: get(app, "runs")),
        Repeated(lambda: get(app, "leaderboard")),
        Repeated(lambda: change_llm(app)),
        Repeated(lambda: show_run(settings, redis, next(numbers))),
    ]
    show_run(settings, redis, next(numbers))
    lock_tables(dump)
    log = tmp_path / "log"

    with (
        log.open("w") as file,
        flask_upgrade(environment, next_version, file) as upgrade,
        ExitStack() as running,
    ):
        for repeated in work:
            running.enter_context(repeated.running())
        running.callback(dump.rollback)
        until(lambda: log.read_text().count(WAITING) >= 3)
        dump.rollback()
        assert upgrade.wait(30) == 0

    assert query(conn, VERSION) == [("next",)]
    line = log.read_text().splitlines()[0]
    pid = dump.info.backend_pid
    assert (
        f"{WAITING}: runs is locked by pg_dump of {settings.postgres_user} ({pid}); next attempt in" in line
    )
    assert min(repeated.calls for repeated in work) > 5
    assert max(repeated.longest for repeated in work) < LOCK_TIMEOUT_MS / 1000 + A_LITTLE


@pytest.mark.usefixtures("behind")
def test_a_dump_that_takes_longer_than_the_migration_timeout_is_reported_in_one_line(environment, conn, dump):
    done = containers_upgrade(environment, MIGRATION_TIMEOUT="1", LOG_LEVEL="ERROR")

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("cannot migrate the database: requests is locked by pg_dump of ")
    assert query(conn, VERSION) == [("0007",)]

    dump.rollback()
    assert containers_upgrade(environment).returncode == 0


def test_the_migrations_before_the_one_that_waits_are_kept(app, environment, conn, dump):
    """So that nobody waits behind their locks meanwhile."""
    with app.app_context():
        downgrade(revision="0006")
    with dump.cursor() as cursor:
        cursor.execute("LOCK TABLE requests IN ACCESS SHARE MODE")

    assert containers_upgrade(environment, MIGRATION_TIMEOUT="0").returncode == 2
    assert query(conn, VERSION) == [("0007",)]

    dump.rollback()
    assert containers_upgrade(environment).returncode == 0
    assert query(conn, VERSION) == [(max(schema_version.wanted()),)]


@pytest.mark.usefixtures("behind", "own_environment")
def test_make_start_reports_what_the_migration_waits_for(monkeypatch, caplog):
    monkeypatch.setenv("MIGRATION_TIMEOUT", "1")
    caplog.set_level("INFO")

    with pytest.raises(start.StartError, match=r"migrations failed: .* requests is locked by pg_dump of "):
        start.migrate()

    assert [record.message for record in caplog.records if f"{WAITING}: requests is locked" in record.message]


def test_a_locked_row_of_the_metrics_is_waited_for_no_longer_either(environment, dump):
    with dump.cursor() as cursor:
        cursor.execute("UPDATE metrics SET title = title")

        done = containers_upgrade(environment, MIGRATION_TIMEOUT="0")

    assert done.returncode == 2
    assert "a row is locked by pg_dump of " in done.stderr


def test_0002_computes_the_histograms_of_runs_that_end_while_it_computes_others(
    app, conn, settings, redis, environment, dump
):
    show_run(settings, redis, 0)
    before = query(conn, HISTOGRAMS)
    with app.app_context():
        downgrade(revision="0001")
    with dump.cursor() as cursor:
        cursor.execute("SELECT FROM metric_means")

    migrating = threading.Thread(target=lambda: containers_upgrade(environment))
    migrating.start()
    try:
        until(lambda: query(conn, WAITING_FOR_LOCK))
        query(conn, COPY_RUN)
    finally:
        dump.rollback()
        migrating.join()

    assert before
    assert query(conn, HISTOGRAMS) == before * 2
