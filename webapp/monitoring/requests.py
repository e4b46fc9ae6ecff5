"""HTTP requests of this server as Prometheus families."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from webapp.monitoring.counts import BOUNDS, Counts
from webapp.monitoring.families import cumulative


def collect(counts: Counts) -> Iterator[Family]:
    """Yield the requests and cache events of all workers of this server."""
    requests = CounterMetricFamily(
        "llm_benchmark_http_requests",
        "HTTP requests by method, route and status",
        labels=["method", "route", "status"],
    )
    durations = HistogramMetricFamily(
        "llm_benchmark_http_request_duration_seconds",
        "Time until the response headers",
        labels=["method", "route"],
    )
    for series in counts.responses():
        labels = [series.method, series.route]
        for status, n in series.by_status.items():
            requests.add_metric([*labels, status], n)
        durations.add_metric(labels, cumulative(BOUNDS, series.buckets), series.seconds)
    events = counts.events()
    yield requests
    yield durations
    yield CounterMetricFamily(
        "llm_benchmark_cache_hits", "Responses from the cache, or 304 Not Modified", events["cache_hit"]
    )
    yield CounterMetricFamily(
        "llm_benchmark_cache_misses", "Responses built from the database", events["cache_miss"]
    )
