"""What a recommendation is chosen from: figures and incidents of the LLMs, as of one generation."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from werkzeug.exceptions import NotFound, UnprocessableEntity

from webapp.errors import shown
from webapp.queries import SIMULATED_SCENARIO, preferred_scenario, quantile_intervals, scenario_id
from webapp.scenarios import ScenarioName, split
from webapp.store import Connection, catalogue, distribution, incidents, leaderboard, run_records, scenarios
from webapp.store.incidents import SEVERITIES, Incident
from webapp.store.leaderboard import Row


@dataclass(frozen=True)
class Candidate:
    """An LLM with the value of the objective; `incident` is the severity of its worst open incident."""

    llm_name: str
    provider: str
    value: float
    low: float | None
    high: float | None
    last_measured: str  # ISO 8601
    error_rate: float | None
    down_since: str | None  # ISO 8601
    incident: str | None


def read(conn: Connection, query: dict[str, Any]) -> dict[str, Any]:
    """Return, ready for JSON, source and scenario, the candidates, and those without values.

    As in {"source": "simulation", "scenario": "default", "candidates": [...], "without_values": {"GPT-4o":
    "failed"}}, where the latter has the status of the newest run.
    """
    source, scenario = _series(conn, query["workload"], query["region"], query["source"])
    series: dict[str, Any] = {"source": source, "scenario_id": scenario_id(conn, scenario, source)}
    rows = leaderboard.read(conn, metric_names=[query["objective"]], window=query["window"], **series)
    names = {row.llm_name for row in rows}
    return {
        "source": source,
        "scenario": scenario,
        "candidates": [asdict(each) for each in _candidates(conn, query, rows, series)],
        "without_values": {
            failure.llm_name: failure.status
            for failure in run_records.last_failures(conn, **series)
            if failure.llm_name not in names
        },
    }


def _series(
    conn: Connection, workload: str | None, region: str | None, source: str | None
) -> tuple[str, str]:
    """Return the source and the scenario that are asked for: those with values, or else any."""
    choices = (
        ("measurement", scenarios.measured(conn, [])),
        ("simulation", [SIMULATED_SCENARIO]),
        ("measurement", catalogue.scenario_names(conn, "measurement")),
    )
    for each, names in choices:
        matching = [name for name in names if _matches(split(name), workload, region)]
        if matching and source in (None, each):
            return each, preferred_scenario(matching)
    if region is not None:
        raise UnprocessableEntity(f"region={region!r}: nothing of that workload was measured from there")
    if workload is None:
        raise NotFound("No LLM to recommend: nothing has been measured yet")
    raise UnprocessableEntity(f"workload={shown(workload)}: unknown workload or scenario of that source")


def _matches(name: ScenarioName, workload: str | None, region: str | None) -> bool:
    """Return whether the scenario is of the workload, or is the one named so, and in the region, if any."""
    names = (str(name), name.workload, *([name.local] if region else []))
    return workload in (None, *names) and region in (None, name.region)


def _candidates(
    conn: Connection, query: dict[str, Any], rows: list[Row], series: dict[str, Any]
) -> Iterator[Candidate]:
    error_rates = leaderboard.error_rates(conn, window=query["window"], **series)
    open_incidents = incidents.read(conn, status="open", source=series["source"])
    for row, value, low, high in _with_values(conn, query, rows, series):
        yield Candidate(
            llm_name=row.llm_name,
            provider=row.provider,
            value=value,
            low=low,
            high=high,
            last_measured=row.last_measured.isoformat(),
            error_rate=error_rates.get(row.llm_name),
            down_since=_down_since(open_incidents, row.llm_name),
            incident=_worst(open_incidents, row.llm_name),
        )


def _with_values(
    conn: Connection, query: dict[str, Any], rows: list[Row], series: dict[str, Any]
) -> Iterator[tuple[Row, float, float | None, float | None]]:
    """Yield each row with the statistic and its confidence interval."""
    if query["statistic"] == "mean":
        yield from ((row, row.mean, row.ci_low, row.ci_high) for row in rows)
        return
    histograms = distribution.read(
        conn,
        window=query["window"],
        metric_names=[query["objective"]],
        llm_names=[row.llm_name for row in rows],
        **series,
    )
    for row in rows:
        ends = quantile_intervals(vars(row), histograms[query["objective"], row.llm_name])
        yield row, row.p95, ends["p95_low"], ends["p95_high"]


def _down_since(open_incidents: list[Incident], llm_name: str) -> str | None:
    """Return since when the LLM has been down, in whichever scenario; None if it is not."""
    starts = [
        signal.started_at
        for incident in open_incidents
        for signal in incident.signals
        if signal.llm_name == llm_name and signal.kind == "down" and signal.ended_at is None
    ]
    return min(starts).isoformat() if starts else None


def _worst(open_incidents: list[Incident], llm_name: str) -> str | None:
    """Return the highest severity of the open incidents of which the LLM shows a sign; None without any."""
    severities = [
        incident.severity
        for incident in open_incidents
        if any(signal.llm_name == llm_name and signal.ended_at is None for signal in incident.signals)
    ]
    return max(severities, key=SEVERITIES.index, default=None)
