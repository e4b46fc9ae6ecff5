"""Which migrations the database has had, and which this program knows."""

from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from webapp.settings import ROOT

EXISTS = "SELECT to_regclass('alembic_version') IS NOT NULL"
VERSIONS = "SELECT version_num FROM alembic_version"


def found(connection: Connection) -> frozenset[str]:
    """The newest migrations that the database has had; none if it was never migrated."""
    if not connection.execute(text(EXISTS)).scalar():
        return frozenset()
    return frozenset(connection.execute(text(VERSIONS)).scalars())


@cache
def wanted() -> frozenset[str]:
    """The newest migrations of this program."""
    return frozenset(_scripts().get_heads())


def is_newer(versions: frozenset[str]) -> bool:
    """Whether a newer program has migrated the database, as amid an upgrade or after its rollback.

    Migrations leave the version before them able to work, so this is no fault.
    """
    return not versions <= _known()


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(ROOT / "migrations"))
