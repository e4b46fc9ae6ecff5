"""Sessions of the page that have ended, known to every process as soon as `Sessions.end` returns.

The end of a session is a change like any other: it raises the generation, and readers find it through the
cache, which is never stale.
"""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

from redis import Redis

from webapp import generation
from webapp.cache import answers
from webapp.errors import DATABASE_UNREACHABLE
from webapp.settings import Settings
from webapp.store import Connection, connect, ended_sessions

LIFETIME = timedelta(days=30)
NAME = "ended-sessions"


class Sessions:
    """Ends sessions, and finds out whether one has ended."""

    def __init__(self, settings: Settings, redis: Redis):
        self._settings = settings
        self._redis = redis
        self._last_known: list[str] | None = None

    def end(self, session_id: str) -> None:
        """End a session; raises psycopg2.OperationalError if the database is unreachable."""
        with (
            closing(connect(self._settings, "llm-benchmark sessions")) as conn,
            generation.change(conn, self._redis),
        ):
            ended_sessions.insert(conn, session_id, datetime.now(UTC) + LIFETIME)

    def has_ended(self, session_id: str) -> bool:
        """Return whether the session has ended; while PostgreSQL is unreachable, as far as is known.

        Raises one of DATABASE_UNREACHABLE if nothing is known.
        """
        try:
            self._last_known = json.loads(answers().read(NAME, _ended)[1])
        except DATABASE_UNREACHABLE:
            if self._last_known is None:
                raise
        return session_id in self._last_known


def _ended(conn: Connection) -> bytes:
    return json.dumps(ended_sessions.read_ids(conn)).encode()
