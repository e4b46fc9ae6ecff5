"""Changes to the LLMs, visible to every reader as soon as the change returns.

A change raises the generation in its transaction, as a refresh does. So changes are serialized, and what a
change reads in its transaction still holds when it writes. Before it announces itself, it looks whether it
would be refused, since every announced change makes all cached responses unreachable.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from redis import Redis

from webapp import generation
from webapp.settings import Settings
from webapp.store import Connection, connect, llms
from webapp.store.llms import LLM

CHANGEABLE = ("name", "company_name", "provider", "archived")


class UnknownLLMError(Exception):
    """Unknown LLM, or an archived one where only others are accepted."""


class NameTakenError(Exception):
    """Duplicate name: another LLM, possibly an archived one, has it."""

    def __init__(self, name: str, archived: bool):
        super().__init__("an archived LLM has that name" if archived else "another LLM has that name")
        self.name = name
        self.archived = archived


class LLMs:
    """Adds and changes LLMs, each time on a new connection.

    A change raises psycopg2.errors.LockNotAvailable if other changes take longer than `wait_s`.
    """

    def __init__(self, settings: Settings, redis: Redis, wait_s: float = generation.WAIT_SECONDS):
        self._settings = settings
        self._redis = redis
        self._wait_s = wait_s

    def add(
        self, *, name: str, company_name: str, provider: str | None = None, simulated: bool = True
    ) -> LLM:
        """Add an LLM, which the next run includes; its provider is its maker by default."""
        with self._connection() as conn:
            _refuse_taken(conn, name)
            with self._change(conn):
                _refuse_taken(conn, name)
                return llms.insert(conn, name, company_name, provider or company_name, simulated)

    def change(self, llm_id: int, **changes: Any) -> LLM:
        """Change name, company_name, provider or archived, as given; does nothing if all are unchanged."""
        with self._connection() as conn:
            former = _accepted(conn, llm_id, changes)
            if all(getattr(former, name) == value for name, value in changes.items()):
                return former
            with self._change(conn):
                former = _accepted(conn, llm_id, changes)
                kept = {name: getattr(former, name) for name in CHANGEABLE}
                return llms.update(conn, llm_id, **{**kept, **changes})

    def _connection(self) -> closing[Connection]:
        return closing(connect(self._settings, "llm-benchmark llms"))

    @contextmanager
    def _change(self, conn: Connection) -> Iterator[None]:
        conn.rollback()  # what was read so far may change
        with generation.change(conn, self._redis, self._wait_s):
            yield


def _accepted(conn: Connection, llm_id: int, changes: dict[str, Any]) -> LLM:
    """Return the LLM as it is, unless the changes must be refused."""
    former = llms.read(conn, llm_id)
    if former is None:
        raise UnknownLLMError(llm_id)
    if changes.get("name", former.name) != former.name:
        _refuse_taken(conn, changes["name"])
    return former


def _refuse_taken(conn: Connection, name: str) -> None:
    other = llms.named(conn, name)
    if other is not None:
        raise NameTakenError(name, other.archived)
