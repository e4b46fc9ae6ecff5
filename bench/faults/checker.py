"""What the database must hold in the end: each slot once, and every aggregate equal to one of its points."""

from contextlib import closing
from typing import Any

import numpy as np

from bench.faults.cluster import POINTS
from llm_measure.metrics import METRICS
from llm_measure.stats.histogram import Histogram
from webapp.settings import Settings
from webapp.store import Connection, connect

# Expectation -> query of its violations.
RULES = {
    "a finished simulation has its points, once": f"""
        SELECT runs.id, points.metric_id, count(*)
        FROM runs JOIN points ON points.run_id = runs.id AND points.recorded_at = runs.slot
        WHERE runs.source = 'simulation'
        GROUP BY runs.id, points.metric_id
        HAVING runs.status <> 'finished' OR count(*) <> {POINTS}""",
    "a finished run has points, any other has none": """
        SELECT runs.id, runs.status FROM runs
        WHERE (status = 'finished') <> EXISTS (
            SELECT FROM points WHERE run_id = runs.id AND recorded_at = runs.slot)""",
    "points belong to a run": """
        SELECT DISTINCT run_id FROM points WHERE NOT EXISTS (
            SELECT FROM runs WHERE runs.id = points.run_id AND runs.slot = points.recorded_at)""",
    "a rollup equals its points": """
        SELECT coalesce(rollups.run_id, found.run_id), found.*, rollups.n, rollups.mean
        FROM rollups FULL JOIN (
            SELECT run_id, metric_id, count(*) AS n, avg(value) AS mean, min(value), max(value),
                var_pop(value) * count(*) AS m2
            FROM points GROUP BY run_id, metric_id
        ) AS found USING (run_id, metric_id)
        WHERE rollups.n IS DISTINCT FROM found.n
            OR NOT close(rollups.mean, found.mean)
            OR rollups.min <> found.min OR rollups.max <> found.max
            OR NOT close(rollups.m2, found.m2)""",
    "a period equals its rollups": """
        SELECT coalesce(periods.period, found.period), found.*, periods.n, periods.mean, periods.runs
        FROM period_rollups AS periods FULL JOIN (
            SELECT windows.period, windows.starts_at, source, scenario_id, llm_id, metric_id,
                count(*) AS runs, sum(n) AS n, sum(n * mean) / sum(n) AS mean, min(min), max(max),
                min(slot) AS oldest, max(slot) AS newest, histogram_sum(histogram) AS histogram
            FROM runs JOIN rollups ON rollups.run_id = runs.id
            CROSS JOIN LATERAL (VALUES
                ('hour', date_trunc('hour', slot, 'UTC')), ('day', date_trunc('day', slot, 'UTC')),
                ('1h', '-infinity'), ('24h', '-infinity'), ('7d', '-infinity'), ('30d', '-infinity'),
                ('all', '-infinity')
            ) AS windows (period, starts_at)
            GROUP BY windows.period, windows.starts_at, source, scenario_id, llm_id, metric_id
        ) AS found USING (period, starts_at, source, scenario_id, llm_id, metric_id)
        WHERE coalesce(periods.period, found.period) <> 'latest' AND (
            periods.n IS DISTINCT FROM found.n OR periods.runs <> found.runs
            OR NOT close(periods.mean, found.mean)
            OR periods.min <> found.min OR periods.max <> found.max
            OR periods.oldest <> found.oldest OR periods.newest <> found.newest
            OR periods.histogram IS DISTINCT FROM found.histogram)""",
    "latest is the newest finished run": """
        SELECT periods.newest, found.*
        FROM (SELECT * FROM period_rollups WHERE period = 'latest') AS periods FULL JOIN (
            SELECT source, scenario_id, llm_id, metric_id, slot, n, mean
            FROM (
                SELECT DISTINCT ON (source, scenario_id, llm_id) *
                FROM runs WHERE status = 'finished' ORDER BY source, scenario_id, llm_id, slot DESC
            ) AS newest JOIN rollups ON rollups.run_id = newest.id
        ) AS found USING (source, scenario_id, llm_id, metric_id)
        WHERE periods.newest IS DISTINCT FROM found.slot
            OR periods.n <> found.n OR NOT close(periods.mean, found.mean)""",
    "the view of means equals its periods": """
        SELECT coalesce(views.time_window, periods.period), periods.n, views.n
        FROM metric_means AS views
        FULL JOIN (SELECT * FROM period_rollups WHERE period NOT IN ('hour', 'day')) AS periods
            ON (views.time_window, views.source, views.scenario_id, views.llm_id, views.metric_id)
             = (periods.period, periods.source, periods.scenario_id, periods.llm_id, periods.metric_id)
        WHERE views.n IS DISTINCT FROM periods.n OR views.mean IS DISTINCT FROM periods.mean""",
    "the totals count the finished runs": """
        SELECT totals.*, found.*
        FROM (SELECT source, sum(runs) AS runs, sum(points) AS points FROM run_totals
              WHERE status = 'finished' GROUP BY source) AS totals
        FULL JOIN (SELECT source, count(*) AS runs, sum(points) AS points FROM runs
              WHERE status = 'finished' GROUP BY source) AS found USING (source)
        WHERE totals.runs IS DISTINCT FROM found.runs OR totals.points IS DISTINCT FROM found.points""",
    "no run is left running or unseen": """
        SELECT id, status, generation FROM runs WHERE status = 'running' OR generation IS NULL""",
}
CLOSE = """
CREATE FUNCTION pg_temp.close(a double precision, b double precision) RETURNS boolean LANGUAGE sql
RETURN abs(a - b) <= 1e-9 * greatest(1, abs(a), abs(b))
"""


# Source, LLM, slot in Unix seconds.
Key = tuple[str, str, int]


def recorded(settings: Settings) -> dict[Key, str]:
    """Return the status of each run."""
    with closing(connect(settings)) as conn:
        rows = _rows(
            conn,
            "SELECT source, llms.name, extract(epoch FROM slot)::bigint, status"
            " FROM runs JOIN llms ON llms.id = runs.llm_id",
        )
        return {(source, llm, slot): status for source, llm, slot, status in rows}


def check(settings: Settings) -> tuple[list[str], int]:
    """Recompute everything from the points; return what is wrong, and the number of rollups compared."""
    with closing(connect(settings)) as conn:
        wrong = _violations(conn)
        return wrong, _compare_histograms(conn, wrong)


def is_quiet(settings: Settings) -> bool:
    """Return whether no run is running and every end of a run is published."""
    with closing(connect(settings)) as conn:
        return not _rows(conn, RULES["no run is left running or unseen"])


def _violations(conn: Connection) -> list[str]:
    _execute(conn, CLOSE)
    return [
        f"{rule}: {row}"
        for rule, statement in RULES.items()
        for row in _rows(conn, statement.replace("close(", "pg_temp.close("))
    ]


def _compare_histograms(conn: Connection, wrong: list[str]) -> int:
    """Compare the rollups' histograms with those of their points; return the number of rollups."""
    stored = {
        (run_id, metric_id): (low, counts)
        for run_id, metric_id, low, counts in _rows(
            conn, "SELECT run_id, metric_id, (histogram).low, (histogram).counts FROM rollups"
        )
    }
    values = _rows(conn, "SELECT run_id, metric_id, array_agg(value) FROM points GROUP BY run_id, metric_id")
    for run_id, metric_id, numbers in values:
        right = Histogram.of(np.array(numbers)).composite
        if stored.get((run_id, metric_id)) != right:
            wrong.append(f"histogram of run {run_id}, {[m.name for m in METRICS if m.id == metric_id]}")
    return len(values)


def _rows(conn: Connection, statement: str) -> list[tuple[Any, ...]]:
    with conn.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def _execute(conn: Connection, statement: str) -> None:
    with conn.cursor() as cursor:
        cursor.execute(statement)
