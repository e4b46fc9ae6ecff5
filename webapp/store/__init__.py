"""The only SQL of the hot path. Each function takes a psycopg2 connection first; the caller commits."""

from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from webapp.settings import Settings

__all__ = ["Connection", "connect", "connection_options", "sql_file"]


def connection_options(settings: Settings, application_name: str) -> dict[str, object]:
    """The arguments with which every connection to PostgreSQL is opened, pooled or not."""
    return {
        "host": settings.postgres_host,
        "port": settings.postgres_port,
        "user": settings.postgres_user,
        "password": settings.postgres_password,
        "dbname": settings.postgres_db,
        "sslmode": settings.postgres_sslmode,
        "connect_timeout": 3,
        # A peer that vanished without a word is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "application_name": application_name,
        # ... and the server notices a killed client, and frees its locks, in the middle of a statement.
        "options": "-c timezone=UTC -c client_connection_check_interval=1s",
    }


def connect(settings: Settings, application_name: str = "llm-benchmark job") -> Connection:
    """A new connection of its own; raises psycopg2.OperationalError when the server cannot be reached."""
    return psycopg2.connect(**connection_options(settings, application_name))


def sql_file(name: str) -> str:
    """The text of `store/sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()
