"""The migrations that the database has, and those that this program knows."""

from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from webapp.settings import ROOT

EXISTS = "SELECT to_regclass('alembic_version') IS NOT NULL"
VERSIONS = "SELECT version_num FROM alembic_version"


def found(connection: Connection) -> frozenset[str]:
    """Return the newest migrations of the database; none if it was never migrated."""
    if not connection.execute(text(EXISTS)).scalar():
        return frozenset()
    return frozenset(connection.execute(text(VERSIONS)).scalars())


@cache
def wanted() -> frozenset[str]:
    """Return the newest migrations of this program."""
    return frozenset(_scripts().get_heads())


def is_newer(versions: frozenset[str]) -> bool:
    """Return whether a newer program has migrated the database, as during an upgrade or after a rollback.

    That is no fault: migrations, 0006 excepted, keep the schema usable for the previous version.
    """
    return not versions <= _known()


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(ROOT / "migrations"))
