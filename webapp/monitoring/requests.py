"""The HTTP requests of this server as Prometheus families."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from webapp.monitoring.counts import BOUNDS, Counts
from webapp.monitoring.families import cumulative


def collect(counts: Counts) -> Iterator[Family]:
    """What this server's workers have answered, together."""
    requests = CounterMetricFamily(
        "llm_benchmark_http_requests", "HTTP requests answered", labels=["method", "route", "status"]
    )
    durations = HistogramMetricFamily(
        "llm_benchmark_http_request_duration_seconds",
        "Time until the head of the answer",
        labels=["method", "route"],
    )
    for answered in counts.answers():
        labels = [answered.method, answered.route]
        for status, n in answered.by_status.items():
            requests.add_metric([*labels, status], n)
        durations.add_metric(labels, cumulative(BOUNDS, answered.buckets), answered.seconds)
    events = counts.events()
    hits, misses = events["cache_hit"], events["cache_miss"]
    yield requests
    yield durations
    yield CounterMetricFamily("llm_benchmark_cache_hits", "Answers that need not be built", hits)
    yield CounterMetricFamily("llm_benchmark_cache_misses", "Answers built from the database", misses)
