"""Totals of runs and rankings for Prometheus, at a cost that does not grow with history."""

from dataclasses import dataclass
from datetime import datetime

from webapp.store import Connection, sql_file

LAST_FINISHED = sql_file("last_finished")
FIGURES = sql_file("figures")
MEASURED = sql_file("measured")
# Upper bounds of the duration buckets in seconds, as in the SQL function duration_bucket; the last has none.
DURATION_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


@dataclass(frozen=True)
class RunTotal:
    """The attempts that ended with `status` and are in the duration bucket up to `at_most` seconds."""

    source: str
    status: str
    at_most: float
    runs: int
    points: int
    seconds: float


@dataclass(frozen=True)
class LastFinished:
    """When an LLM's newest finished run ended."""

    source: str
    scenario: str
    llm_name: str
    finished_at: datetime


@dataclass(frozen=True)
class Figures:
    """One LLM's figures of one metric in one window, in the metric's unit."""

    window: str
    source: str
    scenario: str
    llm_name: str
    metric_name: str
    mean: float
    p50: float
    p95: float
    p99: float


def run_totals(conn: Connection) -> list[RunTotal]:
    """Return the totals by source, status and ascending bucket, without empty buckets."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT source, status, at_most, runs, points, seconds FROM run_totals"
            " ORDER BY source, status, at_most"
        )
        return [RunTotal(*row) for row in cursor.fetchall()]


def last_finished(conn: Connection) -> list[LastFinished]:
    """Return the newest finished run of every ranked LLM in each source and scenario."""
    with conn.cursor() as cursor:
        cursor.execute(LAST_FINISHED)
        return [LastFinished(*row) for row in cursor.fetchall()]


def figures(conn: Connection, windows: list[str]) -> list[Figures]:
    """Return the figures of every ranked LLM in these windows."""
    with conn.cursor() as cursor:
        cursor.execute(FIGURES, {"windows": windows})
        return [Figures(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class Measured:
    """All values of one metric ever measured of one LLM in one scenario, in the metric's unit."""

    scenario: str
    llm_name: str
    provider: str
    api: str
    metric_name: str
    n: int
    mean: float
    low: int
    counts: list[int]  # of the histogram's buckets from `low` on, see `llm_measure.stats.histogram`


def measured(conn: Connection, metric_names: list[str]) -> list[Measured]:
    """Return the totals of every LLM, archived ones included, since a counter must not decrease."""
    with conn.cursor() as cursor:
        cursor.execute(MEASURED, {"metric_names": metric_names})
        return [Measured(*row) for row in cursor.fetchall()]
