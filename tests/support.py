"""Functions and values that tests share."""

from contextlib import closing

from flask import Flask

from webapp.settings import Settings
from webapp.store import Connection, connect

KEY = "the-key-of-the-tests"
SECRET = "the-secret-that-signs-the-cookies-of-the-tests"


def run_sql(environment: dict[str, str], statement: str) -> None:
    """Run a statement outside a transaction, in the database postgres."""
    settings = Settings.from_env({**environment, "POSTGRES_DB": "postgres"})
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
