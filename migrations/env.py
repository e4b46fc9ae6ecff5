"""Alembic's environment: all steps in one transaction, one migrator at a time, metrics updated at the end."""

import logging
import re
import time

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from webapp import schema_version
from webapp.lock_wait import LOCK_TIMEOUT_MS, WAITING, LockHeldError, naming_locks
from webapp.models import db
from webapp.requirements import check_before_migration
from webapp.store import catalogue
from webapp.upgrade import exit_for_database

logger = logging.getLogger("migrations")

# Key of the advisory lock: any number that nothing else locks, the same in every version.
MIGRATION_LOCK = 7_205_001
# Pauses between attempts double up to the longest.
FIRST_PAUSE_SECONDS = 1.0
MOST_PAUSE_SECONDS = 15.0


def is_ours(obj, name, type_, reflected, compare_to) -> bool:
    """Return whether Alembic compares the object: not partitions, which the models do not declare."""
    return not (type_ == "table" and re.fullmatch(r"(points|requests)_\d{8}|period_rollups_\w+", name))


def run_migrations() -> None:
    """Migrate; try again while others hold a lock that is needed, and in the end raise LockHeldError.

    Whoever waits behind a migration's lock waits no longer than one attempt, and works between attempts.
    """
    patience_s = current_app.extensions["settings"].migration_timeout
    pause_s, deadline = FIRST_PAUSE_SECONDS, None
    while True:
        try:
            with db.engine.connect() as connection:
                check_before_migration(connection)
                connection.rollback()
                migrate(connection)
                return
        except LockHeldError as error:
            deadline = deadline or time.monotonic() + patience_s
            if time.monotonic() >= deadline:
                raise
            logger.warning("%s: %s; next attempt in %g s", WAITING, error, pause_s)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, MOST_PAUSE_SECONDS)


def migrate(connection: Connection) -> None:
    """Migrate in one transaction under a lock, so that concurrent migrators wait and find nothing to do."""
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        include_object=is_ours,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        pid = connection.scalar(
            text("SELECT pg_backend_pid() FROM pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
        )
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'"))
        with naming_locks(current_app.extensions["settings"], pid):
            context.run_migrations()
            if schema_version.found(connection) == schema_version.wanted():
                catalogue.sync_metrics(connection.connection.driver_connection)


try:
    run_migrations()
except SQLAlchemyError as error:
    if click.get_current_context(silent=True) is None:
        raise
    # `flask db` would print a traceback.
    exit_for_database(error)
