"""What all tables share: their metadata and the types of PostgreSQL that they need."""

from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import UserDefinedType

from webapp.extensions import db

TIMESTAMP = DateTime(timezone=True)


class Model(DeclarativeBase):
    """The base of all tables; they share the metadata that Flask-Migrate compares with the database."""

    metadata = db.metadata


class Histogram(UserDefinedType):
    """The composite type `histogram` of PostgreSQL, see `llm_measure.stats.histogram`."""

    cache_ok = True

    def get_col_spec(self, **options: object) -> str:
        """Return the type's name."""
        return "histogram"


ischema_names["histogram"] = Histogram  # so that Alembic can compare it
