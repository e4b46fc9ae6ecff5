"""The LLMs: added, changed, archived. None is ever deleted, so that history keeps its names."""

from dataclasses import dataclass
from datetime import datetime

from webapp.store import Connection

COLUMNS = "id, name, company_name, provider, created_at, archived_at"


@dataclass(frozen=True)
class LLM:
    """A model as one provider serves it; ranked unless it is archived."""

    id: int
    name: str
    company_name: str
    provider: str
    created_at: datetime
    archived_at: datetime | None

    @property
    def archived(self) -> bool:
        """Whether it is excluded from runs and rankings."""
        return self.archived_at is not None


def read_all(conn: Connection, archived: bool) -> list[LLM]:
    """Return the archived LLMs or the ranked ones, by name."""
    return _select(conn, "WHERE (archived_at IS NOT NULL) = %s ORDER BY name", archived)


def read(conn: Connection, llm_id: int) -> LLM | None:
    """Return the LLM of that id, archived or not; None if it is unknown."""
    return _first(_select(conn, "WHERE id = %s", llm_id))


def named(conn: Connection, name: str) -> LLM | None:
    """Return the LLM of that name, archived or not; None if it is unknown."""
    return _first(_select(conn, "WHERE name = %s", name))


def first_added(conn: Connection) -> datetime:
    """Return when the first LLM was added, which was when the database was set up."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT min(created_at) FROM llms")
        return cursor.fetchone()[0]


def insert(conn: Connection, name: str, company_name: str, provider: str, simulated: bool = True) -> LLM:
    """Add an LLM, which is only measured if it is not `simulated`.

    Raises psycopg2.errors.UniqueViolation if the name is taken.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO llms (name, company_name, provider, simulated)"  # noqa: S608
            f" VALUES (%s, %s, %s, %s) RETURNING {COLUMNS}",
            (name, company_name, provider, simulated),
        )
        return LLM(*cursor.fetchone())


def update(  # noqa: PLR0913  (each is a column)
    conn: Connection, llm_id: int, *, name: str, company_name: str, provider: str, archived: bool
) -> LLM:
    """Update the LLM's columns; one that is already archived keeps the time of its archiving."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE llms SET name = %s, company_name = %s, provider = %s,"  # noqa: S608
            " archived_at = CASE WHEN %s THEN coalesce(archived_at, clock_timestamp()) END"
            f" WHERE id = %s RETURNING {COLUMNS}",
            (name, company_name, provider, archived, llm_id),
        )
        return LLM(*cursor.fetchone())


def _select(conn: Connection, rest: str, argument: object) -> list[LLM]:
    with conn.cursor() as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM llms {rest}", (argument,))  # noqa: S608
        return [LLM(*row) for row in cursor.fetchall()]


def _first(found: list[LLM]) -> LLM | None:
    return found[0] if found else None
