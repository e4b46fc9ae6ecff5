"""A whole run against a plain COPY of its rows."""

import itertools
from contextlib import closing
from datetime import UTC, datetime, timedelta

from bench.harness import Row, compare, seconds
from jobs.simulate import simulate
from jobs.simulation_run import fill_slot
from llm_measure.metrics import METRICS
from webapp.ingest.publish import publish
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection, connect, partitions, points

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
LLMS = ("GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet")


def measure(settings: Settings) -> list[Row]:
    """12,000 points generated, inserted, rolled up, committed and published, against a COPY of the rows."""
    redis = cache_redis(settings)
    slots = (START + timedelta(minutes=number) for number in itertools.count())
    with closing(connect(settings)) as conn:
        partitions.ensure(conn, START.date())
        prepared = encoded(settings)

        def whole_run() -> None:
            fill_slot(conn, settings, next(slots), "bench")
            publish(conn, settings, redis)

        def raw_copy() -> None:
            copy(conn, prepared)

        return [
            compare(
                "a whole run of 12,000 points / raw binary COPY",
                "ms",
                ours=lambda: seconds(whole_run) * 1000,
                base=lambda: seconds(raw_copy) * 1000,
                rounds=40,
                warmup=5,
                at_most=8,
            )
        ]


def encoded(settings: Settings) -> list[bytes]:
    """Return the rows of one run in COPY's binary format."""
    return [
        points.encode(START, 0, metric.id, simulate(llm, metric, settings.seed, settings.points_per_run))
        for llm in LLMS
        for metric in METRICS.simulated
    ]


def copy(conn: Connection, prepared: list[bytes]) -> None:
    """Copy the rows and commit."""
    points.copy(conn, prepared)
    conn.commit()
