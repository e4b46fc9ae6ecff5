"""A year of history for 100 LLMs against one day: new work must cost the same."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from flask.testing import FlaskClient
from flask_migrate import upgrade
from psycopg2 import sql

from bench.harness import Row, compare, seconds
from bench.system import KEY
from jobs.simulation_run import fill_slot
from webapp import create_app
from webapp.generation import KEY_PREFIX
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import Connection, connect, partitions, points, views

LLMS = 100
POINTS_PER_RUN = 30  # 12,000 points in a slot of 100 LLMs and 4 metrics
SMALL, LARGE = (1, 1_000_000), (365, 100_000_000)  # days of rollups and runs, points stored
CHUNK = 500_000
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=1)

MORE_LLMS = """
INSERT INTO llms (name, company_name, provider)
SELECT 'LLM ' || i, 'company', 'provider' FROM generate_series(1, %s - 3) AS i
"""
# A finished run of every LLM each hour, whose points and rollups have been merged.
RUNS = """
INSERT INTO runs (
    source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at, finished_at, points,
    generation
)
SELECT 'simulation', 1, llms.id, slot, 'finished', 1, gen_random_uuid(), 'bench', slot, slot, 120, 1
FROM llms, generate_series(%(since)s::timestamptz, %(now)s - interval '2 hours', '1 hour') AS slot
"""
# Hours, days and windows of every LLM and simulated metric, all with the histogram of one real run.
PERIODS = """
INSERT INTO period_rollups (
    period, source, scenario_id, llm_id, metric_id, starts_at, oldest, newest, runs, n, mean, m2, min, max,
    run_weight, run_mean, run_m2, histogram
)
SELECT
    period, 'simulation', 1, llms.id, metrics.id, starts_at, greatest(starts_at, oldest), oldest, 1, one.n,
    one.mean, one.m2, one.min, one.max, one.n ^ 2, one.mean, 0, one.histogram
FROM llms, (SELECT DISTINCT metric_id AS id FROM rollups) AS metrics,
(SELECT * FROM rollups LIMIT 1) AS one, (
    SELECT 'hour' AS period, hour AS starts_at, hour AS oldest
    FROM generate_series(
        date_trunc('hour', %(since)s::timestamptz), %(now)s - interval '2 hours', '1 hour'
    ) AS hour
    UNION ALL
    SELECT 'day', day, day
    FROM generate_series(date_trunc('day', %(since)s::timestamptz), %(now)s, '1 day') AS day
    UNION ALL
    SELECT period, '-infinity', %(now)s - interval '10 minutes'
    FROM unnest(ARRAY['latest', '1h', '24h', '7d', '30d', 'all']) AS period
) AS spans
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class System:
    """One database with its history."""

    settings: Settings
    conn: Connection
    client: FlaskClient
    slots: Iterator[datetime]

    def insert(self) -> float:
        """Return the milliseconds to store one slot of 12,000 points."""
        slot = next(self.slots)
        return seconds(lambda: fill_slot(self.conn, self.settings, slot, "bench")) * 1000

    def refresh(self) -> float:
        """Return the milliseconds to refresh the views after one new slot."""
        fill_slot(self.conn, self.settings, next(self.slots), "bench")

        def refresh() -> None:
            views.refresh(self.conn, NOW, views.raise_generation(self.conn))
            self.conn.commit()

        return seconds(refresh) * 1000

    def leaderboard(self) -> float:
        """Return the milliseconds of an uncached request for the leaderboard of one metric."""
        redis = queue_redis(self.settings)
        redis.delete(*redis.keys(KEY_PREFIX + "*") or ["nothing"])
        url = "/api/v1/benchmarks/leaderboard?metric=ttft&window=30d"
        return seconds(lambda: self.client.get(url, headers={"x-api-key": KEY})) * 1000


def measure(settings: Settings) -> list[Row]:
    """Insert, refresh and leaderboard with a day and with a year of history for 100 LLMs; storage."""
    with ExitStack() as stack:
        small, large = (
            stack.enter_context(loaded(settings, name, *size))
            for name, size in (("small", SMALL), ("large", LARGE))
        )
        bounds = {"rounds": 7, "warmup": 1}
        return [
            compare("refresh after one new slot, 365 days / 1 day", "ms", large.refresh, small.refresh,
                    at_most=1.5, **bounds),
            compare("insert of a run, 100 M points stored / 1 M", "ms", large.insert, small.insert,
                    at_most=1.3, rounds=30, warmup=3),
            compare("leaderboard uncached, 365 days / 1 day", "ms", large.leaderboard, small.leaderboard,
                    at_most=1.2, rounds=100, warmup=10),
            *storage(large.conn),
        ]  # fmt: skip


class loaded:
    """A separate database on the settings' server, with `days` of history and `stored` points."""

    def __init__(  # noqa: PLR0913, PLR0917  (each is a size)
        self,
        settings: Settings,
        name: str,
        days: int,
        stored: int,
        llms: int = LLMS,
        points_per_run: int = POINTS_PER_RUN,
    ):
        self.settings = replace(settings, postgres_db=name, points_per_run=points_per_run)
        with closing(connect(settings)) as conn:
            conn.autocommit = True
            conn.cursor().execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self.app = create_app(self.settings)
        with self.app.app_context():
            upgrade()
        self.days, self.stored, self.llms = days, stored, llms

    def __enter__(self) -> System:
        conn = connect(self.settings)
        since = NOW - timedelta(days=self.days)
        with conn, conn.cursor() as cursor:
            cursor.execute(MORE_LLMS, (self.llms,))
        slots = (NOW + timedelta(seconds=number) for number in itertools.count())
        fill_slot(conn, self.settings, next(slots), "bench")
        with conn, conn.cursor() as cursor:
            # Without triggers, since foreign keys and the totals of runs cost time and are not needed.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(RUNS, {"since": since, "now": NOW})
            cursor.execute(PERIODS, {"since": since, "now": NOW})
        store_points(conn, since, self.days, self.stored)
        conn.autocommit = True
        conn.cursor().execute("VACUUM ANALYZE")
        conn.cursor().execute("CHECKPOINT")
        conn.autocommit = False
        self.conn = conn
        return System(self.settings, conn, self.app.test_client(), slots)

    def __exit__(self, *exception: object) -> None:
        self.conn.close()
        with self.app.app_context():
            self.app.extensions["sqlalchemy"].engine.dispose()


def store_points(conn: Connection, since: datetime, days: int, number: int) -> None:
    """Store `number` points, spread evenly over the days."""
    values = np.random.default_rng(20).uniform(0, 10, CHUNK)
    chunks = number // CHUNK
    for chunk in range(chunks):
        moment = since + timedelta(days=days * chunk // chunks)
        partitions.ensure(conn, moment.date())
        points.copy(conn, [points.encode(moment, chunk, 1, values)])
        conn.commit()


def storage(conn: Connection) -> list[Row]:
    """Return the bytes on disk of a point, and of an hourly rollup."""
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) / sum(reltuples) FROM pg_inherits"
            " JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'points'::regclass AND reltuples > 0"
        )
        point = cursor.fetchone()[0]
        cursor.execute(
            "SELECT pg_total_relation_size('period_rollups_hours')::float / count(*)"
            " FROM period_rollups_hours"
        )
        return [
            Row("a point on disk", "bytes", ours=float(point)),
            Row("an hourly rollup on disk", "bytes", ours=float(cursor.fetchone()[0])),
        ]
