"""Everything works through a PgBouncer that gives each transaction any of a few connections."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask_migrate import upgrade

from jobs.maintenance import maintain
from tests.jobs.system import Blocker, closing_connect, finished_slots, someone_waits_for_a_lock, until
from tests.plain_role import create_database
from tests.pooler import pooled
from tests.support import dispose, query, run_sql
from tests.tools import needs
from tests.web import KEYED, RANKINGS, Server, serving, show_run
from webapp import create_app
from webapp.settings import Settings
from webapp.store import connect, export, views

pytestmark = needs("pgbouncer")

CONNECTIONS = 4
SLOTS = 4
PATHS = (RANKINGS, "/api/v1/benchmarks/leaderboard?window=24h", "/api/v1/benchmarks/runs?limit=5", "/readyz")
UNSHOWN = "SELECT count(*) FROM runs WHERE status <> 'running' AND generation IS NULL"
ADVISORY_LOCKS = (
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
SERVER_CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    " AND backend_type = 'client backend'"
)
# Of these, PgBouncer gives each client its own.
CHANGED_SETTINGS = (
    "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> ALL"
    " ('{application_name,client_encoding,DateStyle,TimeZone,standard_conforming_strings}')"
)


@pytest.fixture
def options() -> dict[str, str]:
    return {"pool_mode": "transaction"}


@pytest.fixture
def through(environment, folder, counter, options) -> Iterator[dict[str, str]]:
    """The environment that leads through PgBouncer to this test's database."""
    pool = folder / f"pool-{next(counter)}"
    with pooled(environment, pool, default_pool_size=CONNECTIONS, **options) as found:
        yield found


@pytest.mark.parametrize(
    "options",
    [
        {"pool_mode": "transaction"},
        {"pool_mode": "transaction", "ignore_startup_parameters": "options,extra_float_digits"},
        {"pool_mode": "session"},
    ],
)
def test_a_database_is_migrated(environment, through, counter):
    name = f"pooled_{next(counter)}"
    create_database(environment, name)
    app = create_app(Settings.from_env({**through, "POSTGRES_DB": name}))
    with app.app_context():
        upgrade()
    dispose(app)

    with closing_connect(Settings.from_env({**environment, "POSTGRES_DB": name})) as conn:
        assert query(conn, "SELECT count(*) FROM llms") == [(3,)]
    run_sql(environment, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_whole_system_runs_under_load(through, processes, folder, conn):
    processes.environment = {**through, "SCHEDULE_INTERVAL": "0.0334", "POINTS_PER_RUN": "5"}
    with serving(through, folder) as server, ThreadPoolExecutor(len(PATHS)) as pool:
        processes.scheduler()
        workers = [processes.worker(), processes.worker()]
        over = threading.Event()
        loads = [pool.submit(requested, server, path, over) for path in PATHS]
        try:
            until(lambda: len(finished_slots(conn)) >= SLOTS, 60)
            connections = query(conn, SERVER_CONNECTIONS, conn.info.backend_pid)[0][0]
        finally:
            over.set()
        assert {status for load in loads for status in load.result()} == {200}
        until(lambda: query(conn, UNSHOWN) == [(0,)])
        logs = "".join(worker.log for worker in workers)

    assert connections <= CONNECTIONS
    assert query(conn, ADVISORY_LOCKS) == [(0,)]
    assert "published generation" in logs
    assert "Error" not in logs


def requested(server: Server, path: str, over: threading.Event) -> list[int]:
    """Request the path until the event, and return the statuses."""
    statuses = []
    while not over.is_set():
        statuses.append(server.request(path, headers=KEYED).status)
    return statuses


def test_concurrent_refreshes_are_passed_on(through, settings, conn, redis):
    """More processes publish than there are connections."""

    def publish_some(first: int) -> None:
        for number in range(first, first + 5):
            show_run(Settings.from_env(through), redis, number)

    with ThreadPoolExecutor() as pool:
        list(pool.map(publish_some, range(0, 5 * 2 * CONNECTIONS, 5)))

    assert query(conn, "SELECT count(DISTINCT slot) FROM runs WHERE generation IS NOT NULL") == [(40,)]
    assert query(conn, UNSHOWN) == [(0,)]
    assert query(conn, ADVISORY_LOCKS) == [(0,)]
    assert views.generation_and_change(conn)[1] is False


def test_no_setting_reaches_another_transaction(through, conn, redis):
    """After a run, a refresh and maintenance, every shared connection has the server's own settings."""
    pooled_settings = Settings.from_env(through)
    show_run(pooled_settings, redis, 1)
    with closing_connect(pooled_settings) as job:
        maintain(job, pooled_settings, datetime.now(UTC))
    with export.snapshot(pooled_settings) as reader:
        query(reader, "SELECT 1")

    held = [connect(pooled_settings) for _ in range(CONNECTIONS)]
    found = []
    for each in held:  # in a transaction, so that each has a connection for itself
        with each.cursor() as cursor:
            cursor.execute(CHANGED_SETTINGS)
            found += cursor.fetchall()
    for each in held:
        each.close()
    assert found == []


def test_a_run_whose_process_is_killed_frees_its_rows_for_its_retry(through, processes, settings, conn, slot):
    processes.environment = {**through, "POINTS_PER_RUN": "5", "RETRY_DELAY": "1"}
    with Blocker(settings, "LOCK TABLE rollups IN SHARE MODE"):
        worker = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        processes.work_horse(worker).kill()
        until(lambda: not someone_waits_for_a_lock(conn), 5)

    until(lambda: finished_slots(conn) == [slot])
    until(lambda: query(conn, UNSHOWN) == [(0,)])
    assert query(conn, "SELECT DISTINCT attempts FROM runs") == [(2,)]
