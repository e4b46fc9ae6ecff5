"""Alembic's environment: all steps in one transaction, one migrator at a time, metrics updated at the end."""

import re

import click
from alembic import context
from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp import schema_version
from webapp.models import db
from webapp.store import catalogue
from webapp.upgrade import exit_for_database

# Key of the advisory lock: any number that nothing else locks, the same in every version.
MIGRATION_LOCK = 7_205_001


def is_ours(obj, name, type_, reflected, compare_to) -> bool:
    """Return whether Alembic compares the object: not partitions, which the models do not declare."""
    return not (type_ == "table" and re.fullmatch(r"(points|requests)_\d{8}|period_rollups_\w+", name))


def run_migrations() -> None:
    """Migrate in one transaction under a lock, so that concurrent migrators wait and find nothing to do."""
    with db.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            include_object=is_ours,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
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
