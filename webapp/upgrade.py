"""Migrate the database to this program's schema, as containers do before they start.

python -m webapp.upgrade

Waits for the server, is safe to run in any number of containers concurrently, and leaves a newer schema as it
is.
"""

import logging
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from webapp import create_app, schema_version
from webapp.errors import described
from webapp.extensions import db
from webapp.requirements import check_before_migration
from webapp.settings import SettingsError, exit_for
from webapp.store.transactions import is_read_only

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60
POLL_SECONDS = 1


def main() -> None:
    """Wait for the database and migrate it; on failure, print one line to stderr and exit with 2."""
    signal.signal(signal.SIGTERM, _end)  # by default, the first process of a container ignores it
    try:
        app = create_app()
    except SettingsError as error:
        exit_for(error)
    try:
        migrate(app)
    except SQLAlchemyError as error:
        exit_for_database(error)


def exit_for_database(error: SQLAlchemyError) -> NoReturn:
    """Print one line to stderr and exit with 2."""
    print(f"cannot migrate the database: {described(error)}", file=sys.stderr)
    raise SystemExit(2) from None


def migrate(app: Flask, wait_seconds: float = WAIT_SECONDS) -> None:
    """Run the missing migrations; raises SQLAlchemyError if the database stays unreachable or refuses."""
    with app.app_context():
        versions = _versions(wait_seconds)
        if schema_version.is_newer(versions):
            logger.warning("schema newer than this program (%s), left as it is", _named(versions))
            return
        if versions == schema_version.wanted() and _is_read_only():
            logger.warning("database read-only, schema left at %s", _named(versions))
            return
        upgrade()
    logger.info("schema at %s", _named(schema_version.wanted()))


def _versions(wait_seconds: float) -> frozenset[str]:
    """Return the database's versions as soon as it answers; it must be suitable."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            with db.engine.connect() as connection:
                check_before_migration(connection)
                return schema_version.found(connection)
        except OperationalError as error:
            if time.monotonic() >= deadline:
                raise
            logger.info("waiting for the database: %s", described(error))
            time.sleep(POLL_SECONDS)


def _is_read_only() -> bool:
    with db.engine.connect() as connection:
        return is_read_only(connection.connection.driver_connection)


def _named(versions: frozenset[str]) -> str:
    return ", ".join(sorted(versions))


def _end(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    main()
