from dataclasses import replace

import psycopg2
import pytest

from tests.support import query, run_sql
from tests.web import free_port
from webapp.store.reconnect import reconnecting

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
