"""The page's first view with much history and with little, cached and uncached."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from redis import Redis

from bench.client import Client
from bench.harness import Row, compare, seconds
from bench.sections.scale import loaded
from bench.system import KEY, gunicorn
from jobs.embedded import EmbeddedRedis
from webapp.generation import KEY_PREFIX
from webapp.settings import Settings

# LLMs, and days of rollups by hour and by day.
SMALL, LARGE = (3, 1), (200, 365)
VIEW = "/?window=24h"


@dataclass(frozen=True)
class Page:
    """A server of the page, and its Redis."""

    client: Client
    redis: Redis

    def show(self) -> float:
        """Return the milliseconds of the first view."""
        return seconds(self.client.ask) * 1000

    def show_uncached(self) -> float:
        """Return the same with an empty cache."""
        self.redis.delete(*self.redis.keys(KEY_PREFIX + "*") or ["nothing"])
        return self.show()


def measure(settings: Settings) -> list[Row]:
    """The leaderboard page of 200 LLMs with a year of rollups, against that of 3 LLMs with a day."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(served(settings, name, *size))
            for name, size in (("small", SMALL), ("large", LARGE))
        ]
        # Connected only after all are loaded, since a server closes idle connections.
        small, large = (
            Page(stack.enter_context(closing(Client(port, VIEW, KEY))), redis) for port, redis in servers
        )
        what = "200 LLMs and 365 days / 3 LLMs and 1 day"
        return [
            compare(f"first view, {what}", "ms", large.show, small.show, rounds=300, warmup=30, at_most=1.5),
            compare(
                f"first view after a refresh, {what}",
                "ms",
                large.show_uncached,
                small.show_uncached,
                rounds=100,
                warmup=10,
            ),
        ]


@contextmanager
def served(settings: Settings, name: str, llms: int, days: int) -> Iterator[tuple[int, Redis]]:
    """Serve the page from a separate database and Redis, so that generations share no cache; yield the port.

    One value per run keeps histograms, which the view does not read, short, and loading to minutes.
    """
    with tempfile.TemporaryDirectory(prefix="llmb-") as folder:
        redis = EmbeddedRedis(Path(folder))
        redis.start()
        own = {"REDIS_HOST": redis.environment["REDIS_HOST"], "POSTGRES_DB": name, "PUBLIC_DASHBOARD": "true"}
        try:
            with (
                loaded(replace(settings, redis_host=own["REDIS_HOST"]), name, days, 0, llms, 1) as system,
                gunicorn("wsgi:app", **own) as port,
                closing(Redis(unix_socket_path=own["REDIS_HOST"])) as connection,
            ):
                system.refresh()
                with system.conn, system.conn.cursor() as cursor:
                    cursor.execute("ANALYZE")  # as autovacuum would
                yield port, connection
        finally:
            redis.stop()
