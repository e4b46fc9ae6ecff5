"""What the metrics tell of runs and rankings, at a cost that does not grow with history."""

from dataclasses import dataclass
from datetime import datetime

from webapp.store import Connection, sql_file

LAST_FINISHED = sql_file("last_finished")
FIGURES = sql_file("figures")


@dataclass(frozen=True)
class RunTotal:
    """Attempts at runs that ended with `status`, in the bucket of those that took `at_most` seconds."""

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
    workload: str
    llm_name: str
    finished_at: datetime


@dataclass(frozen=True)
class Figures:
    """One LLM's figures of one metric in one window, in the metric's unit."""

    window: str
    source: str
    workload: str
    llm_name: str
    metric_name: str
    mean: float
    p50: float
    p95: float
    p99: float


def run_totals(conn: Connection) -> list[RunTotal]:
    """By source and status, and within them by ascending bucket; only buckets that hold something."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT source, status, at_most, runs, points, seconds FROM run_totals ORDER BY source, status, at_most"
        )
        return [RunTotal(*row) for row in cursor.fetchall()]


def last_finished(conn: Connection) -> list[LastFinished]:
    """Of every ranked LLM in every source and workload that has any."""
    with conn.cursor() as cursor:
        cursor.execute(LAST_FINISHED)
        return [LastFinished(*row) for row in cursor.fetchall()]


def figures(conn: Connection, windows: list[str]) -> list[Figures]:
    """Of every ranked LLM."""
    with conn.cursor() as cursor:
        cursor.execute(FIGURES, {"windows": windows})
        return [Figures(*row) for row in cursor.fetchall()]
