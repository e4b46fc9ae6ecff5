"""Functions and values that tests share."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from webapp.settings import Settings
from webapp.store import Connection, connect

KEY = "the-key-of-the-tests"
SECRET = "the-secret-that-signs-the-cookies-of-the-tests"


class ReadingClient(FlaskClient):
    """A client that reads each response to its end, which closes the response's file or connection."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"buffered": True, **kwargs})


def as_superuser(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment with the user that may do everything."""
    return {**environment, "POSTGRES_USER": environment.get("TEST_SUPERUSER", environment["POSTGRES_USER"])}


def administering(superuser: Connection) -> Callable[[str], None]:
    """Return what runs statements as a database administrator, each in a transaction."""
    superuser.autocommit = True

    def run(statement: str) -> None:
        with superuser.cursor() as cursor:
            cursor.execute(statement)

    return run


def run_sql(environment: dict[str, str], statement: str) -> None:
    """Run a statement outside a transaction, in the database postgres, as a superuser."""
    settings = Settings.from_env({**as_superuser(environment), "POSTGRES_DB": "postgres"})
    with closing(connect(settings)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def dispose(app: Flask) -> None:
    """Close the app's pooled connections, so that its database can be dropped."""
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()


def query(connection: Connection, statement: str, *arguments: object) -> list[tuple]:
    """Return all rows of a query, which runs in a separate transaction."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall()
