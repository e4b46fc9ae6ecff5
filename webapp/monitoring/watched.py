"""Open incidents, availability and the newest judged runs, from PostgreSQL, as Prometheus families."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from webapp.store import Connection, watched
from webapp.store.incidents import SEVERITIES

REACH = timedelta(hours=24)


def collect(conn: Connection) -> Iterator[Family]:
    """Yield the families; incidents are labelled by LLM, since the names of servers are not public."""
    yield _open(watched.open_incidents(conn))
    yield _opened(watched.affected(conn))
    yield _availability(watched.recent_availability(conn, datetime.now(UTC) - REACH))
    yield _judged(watched.last_judged(conn))


def _open(numbers: dict[str, int]) -> Family:
    family = GaugeMetricFamily("llm_benchmark_incidents_open", "Open incidents", labels=["severity"])
    for severity in SEVERITIES:
        family.add_metric([severity], numbers.get(severity, 0))
    return family


def _opened(rows: list[watched.Affected]) -> Family:
    family = GaugeMetricFamily(
        "llm_benchmark_incident_opened_timestamp_seconds",
        "Slot of the run that showed the open incident by which the LLM is affected; absent without any",
        labels=["source", "llm", "severity"],
    )
    for row in rows:
        family.add_metric([row.source, row.llm_name, row.severity], row.opened_at.timestamp())
    return family


def _availability(rows: list[watched.RecentAvailability]) -> Family:
    family = GaugeMetricFamily(
        "llm_benchmark_availability_ratio",
        "Ratio of runs that succeeded in the last 24 hours to those that succeeded or failed",
        labels=["source", "scenario", "llm"],
    )
    for row in rows:
        family.add_metric([row.source, row.scenario, row.llm_name], row.ratio)
    return family


def _judged(slots: dict[str, datetime]) -> Family:
    family = GaugeMetricFamily(
        "llm_benchmark_last_judged_run_timestamp_seconds",
        "Slot of the newest run that was searched for a change of level",
        labels=["source"],
    )
    for source, slot in slots.items():
        family.add_metric([source], slot.timestamp())
    return family
