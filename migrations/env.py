"""Alembic's environment: a transaction for each step, one migrator at a time, metrics updated at the end."""

import logging
import re
import time
from typing import Any

import click
from alembic import context
from alembic.runtime.migration import MigrationContext
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


class Steps:
    """The steps that Alembic plans for the command, one for each transaction.

    So a step holds no locks while another one computes or waits, and what was done is kept.
    """

    def __init__(self) -> None:
        self._left: list[Any] | None = None
        self._chosen: list[Any] = []

    def configure(self, migration: MigrationContext) -> None:
        """Have the context run, each time, the step that `choose` returns."""
        plan = migration._migrations_fn

        def choose(versions: tuple[str, ...], context: MigrationContext) -> list[Any]:
            if self._left is None:
                self._left = list(plan(versions, context))
            # Other migrators run steps, too: the database's versions show which one is next.
            self._chosen = [step for step in self._left if set(step.from_revisions) == set(versions)][:1]
            return self._chosen

        migration._migrations_fn = choose

    def committed(self) -> bool:
        """Cross off the step that was run; return whether there was one, and others are left."""
        for step in self._chosen:
            self._left.remove(step)
        return bool(self._chosen and self._left)


def run_migrations() -> None:
    """Migrate; try again while others hold a lock that is needed, and in the end raise LockHeldError.

    Whoever waits behind a migration's lock waits no longer than one attempt, and works between attempts.
    """
    patience_s = current_app.extensions["settings"].migration_timeout
    pause_s, deadline = FIRST_PAUSE_SECONDS, None
    steps = Steps()
    while True:
        try:
            with db.engine.connect() as connection:
                check_before_migration(connection)
                connection.rollback()
                migrate(connection, steps)
                return
        except LockHeldError as error:
            deadline = deadline or time.monotonic() + patience_s
            if time.monotonic() >= deadline:
                raise
            logger.warning("%s: %s; next attempt in %g s", WAITING, error, pause_s)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, MOST_PAUSE_SECONDS)


def migrate(connection: Connection, steps: Steps) -> None:
    """Run the steps that are left."""
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        include_object=is_ours,
        **current_app.extensions["migrate"].configure_args,
    )
    steps.configure(context.get_context())
    run_step(connection)
    while steps.committed():
        run_step(connection)


def run_step(connection: Connection) -> None:
    """Run a step, if any is left, under a lock, so that no other migrator runs it at the same time."""
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
