"""Changes to the LLMs, each seen by every reader as soon as it is answered.

A change waits for its turn to refresh and raises the generation in its own transaction, as a refresh does.
So changes come one after the other, and what one of them has looked up still holds when it writes.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from redis import Redis

from webapp import generation
from webapp.settings import Settings
from webapp.store import Connection, connect, llms, views
from webapp.store.llms import LLM


class UnknownLLMError(Exception):
    """There is no such LLM."""


class NameTakenError(Exception):
    """Another LLM has that name; `why` says so, and what to do if it is archived."""

    def __init__(self, name: str, archived: bool):
        super().__init__(name)
        self.why = (
            'an archived LLM has that name; PATCH it with {"archived": false} to bring it back'
            if archived
            else "another LLM has that name"
        )


class LLMs:
    """Adds and changes LLMs on connections of its own."""

    def __init__(self, settings: Settings, redis: Redis):
        self._settings = settings
        self._redis = redis

    def add(
        self, *, name: str, company_name: str, provider: str | None = None, simulated: bool = True
    ) -> LLM:
        """Add an LLM, which the next run takes in; its maker provides it if nobody else is named."""
        with self._turn() as conn:
            _refuse_taken(conn, name)
            added = llms.insert(conn, name, company_name, provider or company_name, simulated)
            self._show(conn)
            return added

    def change(self, llm_id: int, **changes: Any) -> LLM:
        """Change what is named of name, company_name, provider and archived; nothing if it is so already."""
        with self._turn() as conn:
            former = llms.read(conn, llm_id)
            if former is None:
                raise UnknownLLMError(llm_id)
            if changes.get("name", former.name) != former.name:
                _refuse_taken(conn, changes["name"])
            kept = {name: getattr(former, name) for name in ("name", "company_name", "provider", "archived")}
            changed = llms.update(conn, llm_id, **{**kept, **changes})
            if changed != former:
                self._show(conn)
            return changed

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """A connection of its own, since one from a pool would keep the turn after an error."""
        with closing(connect(self._settings, "llm-benchmark llms")) as conn, views.refresh_turn(conn):
            yield conn

    def _show(self, conn: Connection) -> None:
        generation.commit(conn, self._redis, views.raise_generation(conn))


def _refuse_taken(conn: Connection, name: str) -> None:
    other = llms.named(conn, name)
    if other is not None:
        raise NameTakenError(name, other.archived)
