"""The digest: what became faster or slower, availability, open incidents, and each scenario's best LLM."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from llm_measure.metrics import METRICS, Metric
from llm_measure.stats.ranks import rank_intervals
from webapp.plan.rules import Rule
from webapp.store import Connection, availability, catalogue, changes, incidents, leaderboard, messages
from webapp.store.incidents import Incident
from webapp.store.leaderboard import Row
from webapp.watch.state import title

SOURCES = ("simulation", "measurement")
WINDOWS = {"daily": "24h", "weekly": "7d"}
# Of each scenario, those that it has.
BEST_OF = ("ttft", "tps", "e2e_latency", "rps", "inputs_throughput", "capacity")
# After an outage, a digest is sent later by as much as this.
LATEST = timedelta(hours=12)


def store_due(conn: Connection, rule: Rule, now: datetime) -> bool:
    """Store the rule's digest if it is due and not stored yet; return whether it was. Commits."""
    span = rule.digest_span(now)
    if rule.digest is None or span is None or now - span[1] > LATEST:
        return False
    start, end = span
    body = {"event": "digest", "digest": digest(conn, rule, rule.digest, start, end)}
    stored = messages.insert(conn, rule.target, f"digest-{end.date().isoformat()}", body, now, now)
    conn.commit()
    return stored


def digest(conn: Connection, rule: Rule, period: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Return the digest of `start` to `end`, of the rule's LLMs; the best are the best of all LLMs."""
    return {
        "period": period,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "changes": [
            _change(change)
            for change in changes.read(conn, since=start, until=end)
            if _concerns(rule, change.llm_name)
        ],
        "incidents": [
            _incident(incident)
            for incident in incidents.read(conn, status="open")
            if any(_concerns(rule, name) for name in incident.llm_names)
        ],
        "availability": [
            found for source in SOURCES for found in _availability(conn, rule, source, start, end)
        ],
        "best": [
            best
            for source in SOURCES
            for scenario in catalogue.scenario_names(conn, source)
            for best in _best(conn, WINDOWS[period], source, scenario)
        ],
    }


def _concerns(rule: Rule, llm: str) -> bool:
    return not rule.llms or llm in rule.llms


def _change(change: changes.Change) -> dict[str, Any]:
    return {
        "source": change.source,
        "llm": change.llm_name,
        "scenario": change.scenario,
        "metric": change.metric_name,
        "statistic": change.statistic,
        "started_at": change.slot.isoformat(),
        **{name: getattr(change, name) for name in ("before", "after", "change", "low", "high", "worse")},
    }


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "source": incident.source,
        "severity": incident.severity,
        "title": title(incident),
        "opened_at": incident.opened_at.isoformat(),
    }


def _availability(
    conn: Connection, rule: Rule, source: str, start: datetime, end: datetime
) -> Iterator[dict[str, Any]]:
    """Yield each LLM's share of runs that succeeded."""
    runs: dict[str, tuple[int, int]] = {}
    reach = end - start + timedelta(hours=1)  # which excludes its beginning
    for hour in availability.read(conn, period="hour", reach=reach, now=end, source=source):
        if start <= hour.starts_at < end and _concerns(rule, hour.llm_name):
            finished, failed = runs.get(hour.llm_name, (0, 0))
            runs[hour.llm_name] = finished + hour.finished, failed + hour.failed
    for name, (finished, failed) in runs.items():
        if finished + failed:
            yield {
                "source": source,
                "llm": name,
                "ratio": finished / (finished + failed),
                "finished": finished,
                "failed": failed,
            }


def _best(conn: Connection, window: str, source: str, scenario: str) -> Iterator[dict[str, Any]]:
    """Yield the best LLM by each metric, with those that the data cannot distinguish from it."""
    scenario_id = catalogue.scenario_id(conn, scenario)
    if scenario_id is None:
        return
    found = leaderboard.read(
        conn, metric_names=list(BEST_OF), window=window, source=source, scenario_id=scenario_id
    )
    for name in BEST_OF:
        first = _first(METRICS[name], [row for row in found if row.metric_name == name])
        if first:
            yield {
                "source": source,
                "scenario": scenario,
                "metric": name,
                "llm": first[0].llm_name,
                "mean": first[0].mean,
                "ties": [row.llm_name for row in first[1:]],
            }


def _first(metric: Metric, rows: list[Row]) -> list[Row]:
    """Return the rows that share the first rank, the best mean first."""
    rows = sorted(rows, key=lambda row: row.mean, reverse=metric.better == "higher")
    intervals = [
        None if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high) for row in rows
    ]
    ranks = rank_intervals(intervals, metric.better)
    return [row for row, rank in zip(rows, ranks, strict=True) if rank.low == 1]
