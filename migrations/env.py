"""Alembic's environment: one transaction for all steps, one migrator at a time."""

import re

import click
from alembic import context
from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.models import db
from webapp.upgrade import exit_for_database

# Any number that nothing else locks will do; it only has to stay the same.
MIGRATION_LOCK = 7_205_001


def is_ours(obj, name, type_, reflected, compare_to) -> bool:
    """Leave out partitions: the models know only the whole tables."""
    return not (type_ == "table" and re.fullmatch(r"(points|requests)_\d{8}|period_rollups_\w+", name))


def run_migrations() -> None:
    """Migrate in one transaction under a lock: of several at once one works, the others find it done."""
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


try:
    run_migrations()
except SQLAlchemyError as error:
    if click.get_current_context(silent=True) is None:
        raise
    # By hand: `flask db` itself would show where in its inside it happened.
    exit_for_database(error)
