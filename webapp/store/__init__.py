"""The SQL of readers and jobs. Each function takes a psycopg2 connection first; the caller commits."""

from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from webapp.settings import Settings

__all__ = ["Connection", "connect", "connection_options", "sql_file", "storable"]


def connection_options(settings: Settings, application_name: str) -> dict[str, object]:
    """Return the arguments of psycopg2.connect for every connection, pooled or not."""
    return {
        "host": settings.postgres_host,
        "port": settings.postgres_port,
        "user": settings.postgres_user,
        "password": settings.postgres_password,
        "dbname": settings.postgres_db,
        "sslmode": settings.postgres_sslmode,
        "connect_timeout": 3,
        # Detects within half a minute that the server is gone.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "application_name": application_name,
        # The server checks during a statement that its client still exists, and frees its locks if not.
        "options": "-c timezone=UTC -c client_connection_check_interval=1s",
    }


def connect(settings: Settings, application_name: str = "llm-benchmark job") -> Connection:
    """Open a connection outside any pool; raises psycopg2.OperationalError if the server is unreachable."""
    return psycopg2.connect(**connection_options(settings, application_name))


def sql_file(name: str) -> str:
    """Return the text of `store/sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def storable(text: str) -> str:
    """Return the text with NUL characters and lone surrogates replaced, which PostgreSQL cannot store.

    A measured server may send both.
    """
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
