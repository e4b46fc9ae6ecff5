"""Runs of a measured endpoint as a test needs them, published as a worker does."""

from collections.abc import Mapping
from typing import Any

from psycopg2.extras import Json
from redis import Redis

from tests.factories import add_rollups, add_run
from tests.web import slot
from webapp.ingest.publish import publish
from webapp.settings import Settings
from webapp.store import Connection

SERVER = "api.example.org:443"
# Five runs that differ by one percent.
NOISE = (1.0, 0.99, 1.01, 0.985, 1.015)


class Watched:
    """Stores runs of an LLM, in a slot each, and publishes them."""

    def __init__(self, conn: Connection, settings: Settings, redis: Redis):
        self._conn = conn
        self._settings = settings
        self._redis = redis
        self._slots: dict[tuple, int] = {}

    def store(
        self,
        *,
        status: str = "finished",
        measured: bool = True,
        number: int | None = None,
        errors: Mapping[str, int] | None = None,
        server: str | None = SERVER,
        **run: Any,
    ) -> int:
        """Store a run with these means, in the next slot of its LLM and scenario; return its id.

        One that was not `measured` ended before its endpoint was asked.
        """  # fmt: skip
        named = {name: run.pop(name) for name in ("llm", "scenario", "source", "error") if name in run}
        key = (named.get("llm"), named.get("scenario"))
        found = self._slots.get(key, -1) + 1 if number is None else number
        self._slots[key] = max(found, self._slots.get(key, -1))
        asked = {"requests": 100, "errors": dict(errors or {}), **({"server": server} if server else {})}
        run_id = add_run(
            self._conn, slot(found), status=status, measurement=Json(asked) if measured else None,
            **{"source": "measurement", **named},
        )  # fmt: skip
        noise = NOISE[found % len(NOISE)]
        ratios = ("error_rate", "slo_attainment")
        add_rollups(
            self._conn,
            run_id,
            {name: [mean if name in ratios else mean * noise] for name, mean in run.items()},
        )
        return run_id

    def publish(self) -> None:
        self._conn.commit()
        publish(self._conn, self._settings, self._redis)

    def show(self, runs: int = 1, **run: Any) -> None:
        """Store and publish runs, one after another."""
        for _ in range(runs):
            self.store(**run)
            self.publish()

    def runs(self, runs: int, **run: Any) -> None:
        """Store runs, and publish all of them together."""
        for _ in range(runs):
            self.store(**run)
        self.publish()
