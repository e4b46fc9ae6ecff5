"""The measurements by which gunicorn's worker class, workers and threads were chosen."""

from statistics import quantiles

from bench.client import load
from bench.harness import Row
from bench.sections.api import RANKINGS, clients, publish_run
from bench.system import gunicorn
from webapp.settings import Settings

CHOICES = [
    ("sync", 1, 1),
    ("sync", 2, 1),
    ("gthread", 1, 4),
    ("gthread", 2, 2),
    ("gthread", 2, 4),
    ("gthread", 2, 8),
]
SECONDS = 3


def measure(settings: Settings) -> list[Row]:
    """Cached rankings by worker class, workers and threads, with 16 connections."""
    publish_run(settings)
    rows = []
    for worker_class, workers, threads in CHOICES:
        options = ("--worker-class", worker_class, "--workers", str(workers), "--threads", str(threads))
        with gunicorn("wsgi:app", *options) as port, clients(port, RANKINGS, 16) as opened:
            load(opened, SECONDS / 3)
            result = load(opened, SECONDS)
        what = f"{worker_class}, {workers} workers, {threads} threads"
        rows.append(Row(what, "req/s", result.rate))
        rows.append(Row(f"{what}: p99", "ms", quantiles(result.latencies, n=100)[98] * 1000))
    return rows
