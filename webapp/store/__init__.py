"""The SQL of readers and jobs. Each function takes a psycopg2 connection first; the caller commits."""

from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from webapp.settings import Settings
from webapp.store import times

__all__ = ["JOB", "Connection", "connect", "connection_options", "sql_file", "storable"]

times.register()

JOB = "llm-benchmark job"  # the application's name on connections of jobs


def connection_options(settings: Settings, application_name: str) -> dict[str, object]:
    """Return the arguments of psycopg2.connect for every connection, pooled or not.

    No setting of the server is among them: poolers refuse them, or apply them to others' transactions.
    """
    certificates = {
        "sslrootcert": settings.postgres_sslrootcert,
        "sslcert": settings.postgres_sslcert,
        "sslkey": settings.postgres_sslkey,
    }
    return {
        "host": settings.postgres_host,
        "port": settings.postgres_port,
        "user": settings.postgres_user,
        "password": settings.postgres_password,
        "dbname": settings.postgres_db,
        # Of several hosts, the one that accepts writes; one host is used even while it is read-only.
        "target_session_attrs": "read-write" if "," in settings.postgres_host else "any",
        "sslmode": settings.postgres_sslmode,
        **{name: path for name, path in certificates.items() if path},
        "connect_timeout": 3,
        # Detects within half a minute that the server is gone, while its answer is awaited.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # The same while data is sent, when the kernel sends no keepalives but repeats what was not
        # acknowledged, for a quarter of an hour by default.
        "tcp_user_timeout": 25_000,
        "application_name": application_name,
    }


def connect(settings: Settings, application_name: str = JOB) -> Connection:
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
