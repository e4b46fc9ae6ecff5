"""What PostgreSQL knows of runs and rankings as Prometheus families.

Runs happen in processes that live as long as one run, so nothing of them is counted there; it is read from
the database at each scrape, at a cost that does not grow with history.
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
from webapp.windows import WINDOWS

EXPORTED = [window.name for window in WINDOWS if window.is_exported]
STATISTICS = ("mean", "p50", "p95", "p99")

# OpenTelemetry's semantic conventions for GenAI clients (1.42, "development"): names and bucket boundaries.
# https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
# Its time_per_output_chunk is not here: our inter-token latency spreads a chunk over its tokens.
GEN_AI = {
    "e2e_latency": ("gen_ai_client_operation_duration_seconds", "GenAI operation duration"),
    "ttft": ("gen_ai_client_operation_time_to_first_chunk_seconds", "Time to receive the first chunk"),
}
GEN_AI_BOUNDS = [0.01 * 2**step for step in range(14)]
GEN_AI_LABELS = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "scenario"]


def collect(conn: Connection) -> Iterator[Family]:
    """All of it, as one snapshot has it."""
    yield GaugeMetricFamily("llm_benchmark_generation", "Generation of the views", views.generation(conn))
    yield from _runs(totals.run_totals(conn))
    yield _last_finished(totals.last_finished(conn))
    yield from _figures(totals.figures(conn, EXPORTED))
    yield from _gen_ai(totals.measured(conn, list(GEN_AI)))
    yield from _harness_errors(self_checks.read(conn, 1))


def _runs(rows: list[totals.RunTotal]) -> list[Family]:
    runs = CounterMetricFamily(
        "llm_benchmark_runs", "Attempts at runs that ended", labels=["source", "status"]
    )
    durations = HistogramMetricFamily(
        "llm_benchmark_run_duration_seconds", "How long they took", labels=["source", "status"]
    )
    points = CounterMetricFamily("llm_benchmark_points_inserted", "Values stored", labels=["source"])
    for (source, status), group in groupby(rows, lambda row: (row.source, row.status)):
        buckets = list(group)
        by_bound = {bucket.at_most: bucket.runs for bucket in buckets}
        runs.add_metric([source, status], sum(by_bound.values()))
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
        "When the newest finished run ended",
        labels=["source", "scenario", "llm"],
    )
    for row in rows:
        family.add_metric([row.source, row.scenario, row.llm_name], row.finished_at.timestamp())
    return family


def _figures(rows: list[totals.Figures]) -> Iterator[Family]:
    for metric in METRICS:
        family = GaugeMetricFamily(
            f"llm_benchmark_{metric.name}_{metric.unit.suffix}",
            f"Figures of the leaderboard, quantiles within 1 %: {metric.formula}",
            labels=["source", "scenario", "llm", "window", "statistic"],
        )
        for row in rows:
            if row.metric_name == metric.name:
                for statistic in STATISTICS:
                    place = [row.source, row.scenario, row.llm_name, row.window, statistic]
                    family.add_metric(place, getattr(row, statistic))
        yield family


def _gen_ai(rows: list[totals.Measured]) -> Iterator[Family]:
    for metric_name, (name, text) in GEN_AI.items():
        family = HistogramMetricFamily(
            name, f"{text}, of all measurements; each value within 1 %", labels=GEN_AI_LABELS
        )
        for row in rows:
            if row.metric_name == metric_name:
                labels = [_operation(row.api), row.provider, row.llm_name, row.scenario]
                buckets = _regrouped(row.low, row.counts, GEN_AI_BOUNDS)
                family.add_metric(labels, cumulative(GEN_AI_BOUNDS, buckets), row.n * row.mean)
        yield family


def _harness_errors(checks: dict[datetime, list[SelfCheckError]]) -> Iterator[Family]:
    error = GaugeMetricFamily(
        "llm_benchmark_self_check_error_seconds",
        "How far off the measuring itself was at the newest self-check: measured less known",
        labels=["metric", "statistic"],
    )
    checked = GaugeMetricFamily("llm_benchmark_self_check_timestamp_seconds", "Slot of that self-check")
    for slot, errors in checks.items():
        checked.add_metric([], slot.timestamp())
        for of_metric in errors:
            error.add_metric([of_metric.metric, "p50"], of_metric.p50_s)
            error.add_metric([of_metric.metric, "p99"], of_metric.p99_s)
    yield error
    yield checked


def _operation(api: str) -> str:
    """Return OpenTelemetry's name of the operation; that of an API that is no longer registered is its name."""
    return apis.named(api).operation if api in apis.names() else api


def _regrouped(low: int, counts: list[int], bounds: list[float]) -> list[int]:
    """A histogram's counts by the buckets that end at each bound, and one beyond."""
    values = representatives(np.arange(low, low + len(counts)))
    places = np.searchsorted(bounds, values, side="left")
    return np.bincount(places, weights=counts, minlength=len(bounds) + 1).astype(int).tolist()
