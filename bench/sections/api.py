"""The rankings, cached and uncached, against the barest responses of the same server."""

import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from bench.client import Client, load
from bench.harness import Row, compare, seconds
from bench.system import KEY, gunicorn
from jobs.simulation_run import fill_slot
from webapp.generation import HINT, KEY_PREFIX, LAST_KNOWN, PROCESS_SECONDS
from webapp.ingest.publish import publish
from webapp.redis import cache_redis, queue_redis
from webapp.settings import Settings
from webapp.store import connect

RANKINGS = "/api/v1/benchmarks/rankings"
# With two workers the kernel may give one of them most of the connections, at random.
ONE = ("--workers", "1")
CONNECTIONS = 16
SECONDS = 1


def measure(settings: Settings) -> list[Row]:
    """Cached rankings against a bare view of the same bytes, uncached ones against a bare SELECT."""
    publish_run(settings)
    with gunicorn("bench.bare:view", *ONE) as bare, gunicorn("bench.bare:select", *ONE) as ours:
        return [cached(bare, ours), uncached(settings, ours)]


def publish_run(settings: Settings) -> None:
    """Store and publish one simulated run."""
    with closing(connect(settings)) as conn:
        fill_slot(conn, settings, datetime.now(UTC).replace(microsecond=0), "bench")
        publish(conn, settings, cache_redis(settings))


def cached(bare: int, ours: int) -> Row:
    """Compare the requests per second of both."""
    with clients(ours, RANKINGS, 1) as (of_ours,), clients(bare, "/", 1) as (of_bare,):
        same = [client.ask().partition(b"\r\n\r\n")[2] for client in (of_ours, of_bare)]
        if same[0] != same[1]:
            raise RuntimeError(f"the two responses differ: {same}")
    return compare(
        "cached rankings / bare Flask view of the same bytes",
        "req/s",
        ours=lambda: rate(ours, RANKINGS),
        base=lambda: rate(bare, "/"),
        rounds=15,
        at_least=0.8,
    )


def rate(port: int, path: str) -> float:
    """Return the requests per second over new connections."""
    with clients(port, path) as opened:
        return load(opened, SECONDS).rate


def uncached(settings: Settings, ours: int) -> Row:
    """Compare the latencies of single requests; cached responses are deleted before each."""
    redis = queue_redis(settings)
    with clients(ours, RANKINGS, 1) as (ranking,), clients(ours, "/bare-select", 1) as (select,):

        def ask_uncached() -> float:
            if keys := [
                key for key in redis.keys(KEY_PREFIX + "*") if key.decode() not in (HINT, LAST_KNOWN)
            ]:
                redis.delete(*keys)
            time.sleep(2 * PROCESS_SECONDS)  # the server's process keeps nothing for longer
            return seconds(ranking.ask) * 1000

        return compare(
            "uncached rankings / bare SELECT as an HTTP response",
            "ms",
            ours=ask_uncached,
            base=lambda: seconds(select.ask) * 1000,
            rounds=400,
            warmup=40,
            at_most=2,
        )


@contextmanager
def clients(port: int, path: str, number: int = CONNECTIONS):
    """Open connections to the server."""
    opened = [Client(port, path, KEY) for _ in range(number)]
    try:
        yield opened
    finally:
        for client in opened:
            client.close()
