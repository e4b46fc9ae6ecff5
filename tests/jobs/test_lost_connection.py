"""Connections to PostgreSQL that are lost, and a PostgreSQL that is unreachable, when a run ends.

The endpoint of each measurement acts on PostgreSQL while it is being measured.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask_migrate import upgrade

from jobs.embedded import EmbeddedPostgres
from jobs.measurement_run import run_measurement
from tests.conftest import FAST
from tests.jobs.system import Blocker, closing_connect, now_slot, someone_waits_for_a_lock, until
from tests.llm_measure.scripted import scripted, whole
from tests.llm_measure.streams import DONE, chat
from tests.support import dispose, query, run_sql
from webapp import create_app
from webapp.queue.enqueue import enqueue_simulation
from webapp.settings import Settings

ANSWER = whole((chat({"content": "a"}) + chat({}, "stop") + DONE).encode())
REQUESTS = 4
RESPONSE_SECONDS = 0.1  # so that the client holds the concurrency
LEVEL = f"concurrency: 1, output_tokens: 1, requests: {REQUESTS}, warmup: 0, timeout: 30"
CONNECTIONS = "pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
BEFORE_COMMIT = "LOCK TABLE rollups IN SHARE MODE"
END_WAITING = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"


class Database:
    """The test's database, whose connections can be ended and which can be made unreachable."""

    def __init__(self, environment: dict[str, str]):
        self._environment = environment
        self.settings = Settings.from_env(environment)
        self.name = self.settings.postgres_db

    def connections(self) -> int:
        elsewhere = replace(self.settings, postgres_db="postgres")
        with closing_connect(elsewhere) as conn:
            return query(conn, f"SELECT count(*) FROM {CONNECTIONS}", self.name)[0][0]

    def end_connections(self) -> None:
        elsewhere = replace(self.settings, postgres_db="postgres")
        with closing_connect(elsewhere) as conn:
            query(conn, f"SELECT pg_terminate_backend(pid) FROM {CONNECTIONS}", self.name)

    def leave(self) -> None:
        """Refuse new connections and end the existing ones."""
        self.refuse()
        self.end_connections()

    def refuse(self) -> None:
        run_sql(self._environment, f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")

    def accept(self) -> None:
        run_sql(self._environment, f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")


@pytest.fixture
def database(environment) -> Database:
    return Database(environment)


@pytest.fixture
def measure(environment, declare_llms, monkeypatch, own_environment, lenient_validity):
    """Runs the job of a measurement, with an endpoint that acts when it receives the first request."""

    def measure(act: Callable[[], object]) -> None:
        actions = [act]
        with scripted(lambda: actions and actions.pop()(), RESPONSE_SECONDS, ANSWER) as server:
            declare_llms({"Measured": server.url}, LEVEL)
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            run_measurement("Measured", "chat@c1", now_slot())

    return measure


def assert_stored_once(settings: Settings) -> None:
    """The first attempt is stored, shown and has exactly its requests and points."""
    with closing_connect(settings) as conn:
        ((status, attempts, shown, points),) = query(
            conn, "SELECT status, attempts, generation IS NOT NULL, points FROM runs"
        )
        assert (status, attempts, shown) == ("finished", 1, True)
        assert query(conn, "SELECT count(*), count(DISTINCT number) FROM requests") == [(REQUESTS, REQUESTS)]
        assert query(conn, "SELECT count(*) FROM points") == [(points,)]


def test_no_connection_is_held_while_the_endpoint_is_measured(measure, database):
    seen = []

    measure(lambda: until(lambda: database.connections() == 0, 5) and seen.append(0))

    assert seen == [0]
    assert_stored_once(database.settings)


def test_connections_that_end_while_the_endpoint_is_measured_cost_nothing(measure, database):
    measure(database.end_connections)

    assert_stored_once(database.settings)


@pytest.fixture
def own_postgres(folder, counter, environment) -> Iterator[EmbeddedPostgres]:
    """A separate PostgreSQL with a migrated database, which the test may restart."""
    server = EmbeddedPostgres(folder / f"postgres-{next(counter)}", options=FAST)
    server.start()
    environment.update(server.environment)
    app = create_app(Settings.from_env(environment))
    with app.app_context():
        upgrade()
    dispose(app)
    yield server
    server.stop()


def test_a_restart_of_postgresql_while_the_endpoint_is_measured_costs_nothing(
    own_postgres, measure, environment
):
    def restart() -> None:
        own_postgres.stop()
        own_postgres.start()

    measure(restart)

    assert_stored_once(Settings.from_env(environment))


@contextmanager
def called_when_a_write_is_repeated(call: Callable[[], None]) -> Iterator[list[str]]:
    """Call it when the log says that the database will be tried again; yields these messages."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())
            call()

    logger, listener = logging.getLogger("webapp.store.reconnect"), Listener()
    logger.addHandler(listener)
    yield said
    logger.removeHandler(listener)


def test_a_result_is_stored_once_postgresql_is_back(measure, database):
    with called_when_a_write_is_repeated(database.accept) as said:
        measure(database.leave)

    assert said
    assert_stored_once(database.settings)


def test_a_result_whose_transaction_loses_its_connection_is_written_again(measure, database, conn):
    def end_the_first_transaction(blocker: Blocker) -> None:
        until(lambda: someone_waits_for_a_lock(conn))
        query(conn, END_WAITING)
        blocker.release()

    with ThreadPoolExecutor() as pool, Blocker(database.settings, BEFORE_COMMIT) as blocker:
        ending = pool.submit(end_the_first_transaction, blocker)
        measure(lambda: None)
        ending.result()

    assert_stored_once(database.settings)


def end_the_connection(conn, process) -> None:
    query(conn, END_WAITING)


def kill_the_process(conn, process) -> None:
    process.kill()


@pytest.mark.parametrize(
    ("fault", "error"),
    [(end_the_connection, "OperationalError"), (kill_the_process, "terminated unexpectedly")],
)
def test_a_failure_while_postgresql_is_unreachable_is_recorded_once_it_is_back(
    processes, settings, database, conn, queue, fault, error
):
    slot = now_slot()
    enqueue_simulation(queue, replace(settings, max_retries=0), slot)
    with Blocker(settings, BEFORE_COMMIT):
        worker = processes.worker()
        until(lambda: someone_waits_for_a_lock(conn))
        database.refuse()
        fault(conn, processes.work_horse(worker))
        until(lambda: queue.failed_job_registry.get_job_ids() == [f"simulation-{slot}"])
    assert query(conn, "SELECT DISTINCT status FROM runs") == [("running",)]

    database.accept()

    until(lambda: query(conn, "SELECT DISTINCT status FROM runs") == [("failed",)], 15)
    assert query(conn, "SELECT DISTINCT error LIKE %s FROM runs", f"%{error}%") == [(True,)]
    until(lambda: not query(conn, "SELECT FROM runs WHERE generation IS NULL"))
