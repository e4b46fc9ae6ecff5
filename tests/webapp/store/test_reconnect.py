from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from tests.pooler import pooled
from tests.support import query, run_sql
from tests.tools import needs
from tests.web import free_port, wait_until
from webapp.settings import Settings
from webapp.store import connect
from webapp.store.reconnect import connect_patiently, reconnecting

READ_ONLY = "default_transaction_read_only"


def test_a_write_that_a_read_only_server_refuses_is_repeated_on_a_new_connection(settings, environment):
    run_sql(environment, f"ALTER DATABASE {settings.postgres_db} SET {READ_ONLY} = on")
    connections = []

    def write(conn) -> list[tuple]:
        connections.append(conn)
        try:
            return query(conn, "UPDATE scenarios SET description = 'written' RETURNING description")
        finally:
            run_sql(environment, f"ALTER DATABASE {settings.postgres_db} RESET {READ_ONLY}")

    assert reconnecting(settings, write, 60) == [("written",)]
    assert len(set(connections)) == 2
    assert all(conn.closed for conn in connections)


def test_an_unreachable_server_is_an_error_when_the_time_is_up(settings):
    nowhere = replace(settings, postgres_host="127.0.0.1", postgres_port=free_port())

    with pytest.raises(psycopg2.OperationalError):
        reconnecting(nowhere, lambda conn: None, 1)


def test_an_error_that_would_not_pass_is_raised_without_a_repetition(settings):
    calls = []

    def write(conn) -> None:
        calls.append(conn)
        query(conn, "SELECT 1 / 0")

    with pytest.raises(psycopg2.errors.DivisionByZero):
        reconnecting(settings, write, 60)
    assert len(calls) == 1


@pytest.fixture
def limited(settings, environment, counter):
    """Settings of a role that may have one connection."""
    role = f"limited_{next(counter)}"
    run_sql(environment, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
    yield replace(settings, postgres_user=role)
    run_sql(environment, f"DROP ROLE {role}")


@pytest.fixture
def crowded(environment, folder, counter):
    """Settings that lead to a PgBouncer that accepts one client."""
    with pooled(environment, folder / f"crowded-{next(counter)}", clients=1) as through:
        yield Settings.from_env(through)


@pytest.mark.parametrize(
    ("server", "refusal"),
    [
        ("limited", "too many connections"),
        pytest.param("crowded", "no more connections allowed", marks=needs("pgbouncer")),
    ],
)
def test_a_job_waits_until_the_server_has_a_connection_for_it(request, caplog, server, refusal):
    found = request.getfixturevalue(server)
    with ThreadPoolExecutor() as pool:
        with closing(connect(found)):
            waiting = pool.submit(connect_patiently, found)
            wait_until(lambda: refusal in caplog.text)
            assert not waiting.done()
        with closing(waiting.result(10)) as conn:
            assert query(conn, "SELECT 1") == [(1,)]
