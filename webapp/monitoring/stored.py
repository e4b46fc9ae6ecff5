"""Runs and rankings, from PostgreSQL, as Prometheus families.

A run's process ends with the run, so it cannot keep counters; they are read from the database at each scrape,
at a cost that does not grow with history.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from llm_measure import apis
from llm_measure.metrics import METRICS
from llm_measure.stats.histogram import representatives
from webapp.monitoring.families import INFINITY, cumulative
from webapp.store import Connection, self_checks, totals, views
from webapp.store.self_checks import SelfCheckError
from webapp.store.unshown import unshown_since
from webapp.windows import WINDOWS

EXPORTED = [window.name for window in WINDOWS if window.is_exported]
STATISTICS = ("mean", "p50", "p95", "p99")

# OpenTelemetry's semantic conventions for GenAI clients (1.42, "development"): names and bucket boundaries.
# https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
# time_per_output_chunk is not exported: inter-token latency here spreads a chunk over its tokens.
GEN_AI = {
    "e2e_latency": ("gen_ai_client_operation_duration_seconds", "GenAI operation duration"),
    "ttft": ("gen_ai_client_operation_time_to_first_chunk_seconds", "Time to receive the first chunk"),
}
GEN_AI_BOUNDS = [0.01 * 2**step for step in range(14)]
GEN_AI_LABELS = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "scenario"]


def collect(conn: Connection) -> Iterator[Family]:
    """Yield all families, read in the connection's transaction."""
    yield GaugeMetricFamily("llm_benchmark_generation", "Generation of the views", views.generation(conn))
    yield _unshown(unshown_since(conn))
    yield from _runs(totals.run_totals(conn))
    yield _last_finished(totals.last_finished(conn))
    yield from _figures(totals.figures(conn, EXPORTED))
    yield from _gen_ai(totals.measured(conn, list(GEN_AI)))
    yield from _self_check(self_checks.read(conn, 1))


def _unshown(since: datetime | None) -> Family:
    family = GaugeMetricFamily(
        "llm_benchmark_oldest_unshown_run_timestamp_seconds",
        "When the first of the runs ended that wait for a refresh of the views; absent without any",
    )
    if since:
        family.add_metric([], since.timestamp())
    return family


def _runs(rows: list[totals.RunTotal]) -> list[Family]:
    runs = CounterMetricFamily(
        "llm_benchmark_runs", "Run attempts that ended, and missed runs", labels=["source", "status"]
    )
    durations = HistogramMetricFamily(
        "llm_benchmark_run_duration_seconds", "Duration of run attempts", labels=["source", "status"]
    )
    points = CounterMetricFamily("llm_benchmark_points_inserted", "Values stored", labels=["source"])
    for (source, status), group in groupby(rows, lambda row: (row.source, row.status)):
        buckets = list(group)
        by_bound = {bucket.at_most: bucket.runs for bucket in buckets}
        runs.add_metric([source, status], sum(by_bound.values()))
        if status == "missed":  # which has no duration
            continue
        durations.add_metric(
            [source, status],
            cumulative(
                totals.DURATION_BOUNDS,
                [by_bound.get(bound, 0) for bound in (*totals.DURATION_BOUNDS, INFINITY)],
            ),
            sum(bucket.seconds for bucket in buckets),
        )
    for source, group in groupby(rows, lambda row: row.source):
        points.add_metric([source], sum(row.points for row in group))
    return [runs, durations, points]


def _last_finished(rows: list[totals.LastFinished]) -> Family:
    family = GaugeMetricFamily(
        "llm_benchmark_last_finished_run_timestamp_seconds",
        "End time of the latest finished run",
        labels=["source", "scenario", "llm"],
    )
    for row in rows:
        family.add_metric([row.source, row.scenario, row.llm_name], row.finished_at.timestamp())
    return family


def _figures(rows: list[totals.Figures]) -> Iterator[Family]:
    for metric in METRICS:
        family = GaugeMetricFamily(
            f"llm_benchmark_{metric.name}_{metric.unit.suffix}",
            f"{metric.title} on the leaderboard, quantiles within 1 %: {metric.formula}",
            labels=["source", "scenario", "llm", "window", "statistic"],
        )
        for row in rows:
            if row.metric_name == metric.name:
                for statistic in STATISTICS:
                    labels = [row.source, row.scenario, row.llm_name, row.window, statistic]
                    family.add_metric(labels, getattr(row, statistic))
        yield family


def _gen_ai(rows: list[totals.Measured]) -> Iterator[Family]:
    for metric_name, (name, text) in GEN_AI.items():
        family = HistogramMetricFamily(
            name, f"{text}, all measurements, values within 1 %", labels=GEN_AI_LABELS
        )
        for row in rows:
            if row.metric_name == metric_name:
                labels = [_operation(row.api), row.provider, row.llm_name, row.scenario]
                buckets = _regrouped(row.low, row.counts, GEN_AI_BOUNDS)
                family.add_metric(labels, cumulative(GEN_AI_BOUNDS, buckets), row.n * row.mean)
        yield family


def _self_check(checks: dict[datetime, list[SelfCheckError]]) -> Iterator[Family]:
    error = GaugeMetricFamily(
        "llm_benchmark_self_check_error_seconds",
        "Measurement error of the latest self-check: measured minus known time",
        labels=["metric", "statistic"],
    )
    checked = GaugeMetricFamily("llm_benchmark_self_check_timestamp_seconds", "Slot of the latest self-check")
    for slot, errors in checks.items():
        checked.add_metric([], slot.timestamp())
        for of_metric in errors:
            error.add_metric([of_metric.metric, "p50"], of_metric.p50_s)
            error.add_metric([of_metric.metric, "p99"], of_metric.p99_s)
    yield error
    yield checked


def _operation(api: str) -> str:
    """Return the API's gen_ai.operation.name; the API's own name if it is no longer registered."""
    return apis.named(api).operation if api in apis.names() else api


def _regrouped(low: int, counts: list[int], bounds: list[float]) -> list[int]:
    """Return the counts of a stored histogram by bucket: one up to each bound, and one above the last."""
    values = representatives(np.arange(low, low + len(counts)))
    buckets = np.searchsorted(bounds, values, side="left")
    return np.bincount(buckets, weights=counts, minlength=len(bounds) + 1).astype(int).tolist()
