"""Raw points streamed through gunicorn."""

import http.client
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psutil

from bench.harness import Row, seconds
from bench.sections.run import START
from bench.system import KEY, gunicorn
from jobs.simulation_run import fill_slot
from webapp.ingest.publish import publish
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import connect

# 3 LLMs, 4 metrics: 5,040,000 points.
RUNS, POINTS_PER_RUN = 6, 70_000
POINTS = RUNS * POINTS_PER_RUN * 12
CHUNK = 1 << 20
MOST_MIB = 50


def measure(settings: Settings) -> list[Row]:
    """5,040,000 points exported as CSV, and the memory that the export adds to the worker."""
    with closing(connect(settings)) as conn:
        for number in range(RUNS):
            slot = START + timedelta(minutes=number)
            fill_slot(conn, replace(settings, points_per_run=POINTS_PER_RUN), slot, "bench")
        publish(conn, settings, cache_redis(settings))
    with gunicorn("wsgi:app", "--workers", "1") as port:
        export(port, "metric=ttft")
        worker = _worker(port)
        before = worker.memory_info().rss
        growth = []
        taken = seconds(lambda: growth.append(export(port, "", worker) - before))
    return [
        Row("points exported as CSV", "points/s", ours=POINTS / taken),
        Row(
            "memory growth during the export / the bound",
            "MiB",
            ours=growth[0] / CHUNK,
            base=MOST_MIB,
            ratio=growth[0] / CHUNK / MOST_MIB,
            at_most=1,
        ),
    ]


def export(port: int, filters: str, worker: psutil.Process | None = None) -> int:
    """Read one export to its end; return the worker's peak memory meanwhile, in bytes."""
    until = START + timedelta(hours=1)
    query = f"from={START:%Y-%m-%dT%H:%M:%SZ}&to={until:%Y-%m-%dT%H:%M:%SZ}&{filters}".rstrip("&")
    lines = most = 0
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", f"/api/v1/benchmarks/points?{query}", headers={"x-api-key": KEY})
        response = connection.getresponse()
        while part := response.read(CHUNK):
            lines += part.count(b"\n")
            most = max(most, worker.memory_info().rss if worker else 0)
    expected = POINTS if not filters else POINTS // 4
    if lines != expected + 1:
        raise RuntimeError(f"export: {lines} lines; expected {expected + 1}")
    return most


def _worker(port: int) -> psutil.Process:
    """Return the one worker of the gunicorn that listens on the port."""
    for child in psutil.Process().children():
        if any(link.laddr.port == port for link in child.net_connections("tcp")):
            return child.children()[0]
    raise RuntimeError(f"port {port}: no child process listens there")
