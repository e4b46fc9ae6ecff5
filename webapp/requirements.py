"""The database checked before anything uses it: its version, its encoding, and the rights of the role."""

import logging
import sys
from contextlib import closing

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from webapp.errors import described
from webapp.settings import Settings
from webapp.store import connect, requirements

logger = logging.getLogger(__name__)


class UnsuitableDatabaseError(SQLAlchemyError):
    """The database cannot be migrated; the message names each problem, in one line."""


def check_before_migration(connection: Connection) -> None:
    """Raise UnsuitableDatabaseError unless this database can be migrated and used by this role."""
    conn = connection.connection.driver_connection
    problems = requirements.unsuitable(conn) or requirements.missing_rights(conn)
    if problems:
        raise UnsuitableDatabaseError("; ".join(problems))


def check_before_start(settings: Settings) -> None:
    """Print one line to stderr and exit with 2 if the database cannot be used; log which rights are missing.

    Without some rights, the process still does what it can. While the database is unreachable, it starts and
    waits, too; /readyz reports what is wrong with it later.
    """
    try:
        with closing(connect(settings, "llm-benchmark start")) as conn:
            unsuitable = requirements.unsuitable(conn)
            missing = [] if unsuitable else requirements.missing_rights(conn)
    except psycopg2.Error as error:
        logger.warning("database: not checked: %s", described(error))
        return
    if unsuitable:
        print(f"cannot use the database: {'; '.join(unsuitable)}", file=sys.stderr)
        raise SystemExit(2)
    for problem in missing:
        logger.error("database: %s", problem)
