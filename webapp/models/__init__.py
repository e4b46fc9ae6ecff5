"""The tables, for migrations to compare with; the application reads and writes them in `webapp.store`."""

from webapp.extensions import db
from webapp.models import incidents, results

__all__ = ["db", "incidents", "results"]
