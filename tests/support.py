"""What tests share besides fixtures."""

from contextlib import closing

from flask import Flask

from webapp.settings import Settings
from webapp.store import Connection, connect

KEY = "the-key-of-the-tests"
SECRET = "the-secret-that-signs-the-cookies-of-the-tests"


def run_sql(environment: dict[str, str], statement: str) -> None:
    """Run a statement outside any transaction in the server's own database."""
    settings = Settings.from_env({**environment, "POSTGRES_DB": "postgres"})
    with closing(connect(settings)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def dispose(app: Flask) -> None:
    """Close the app's pooled connections, which would keep its database from being dropped."""
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()


def query(connection: Connection, statement: str, *arguments: object) -> list[tuple]:
    """All rows of a query, in a transaction of its own."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall()
