"""What a badge says of an LLM: the value of a metric, its availability, or its status."""

from datetime import UTC, datetime, timedelta
from typing import Any

from llm_measure.metrics import Metric
from webapp.page.badges.drawing import Badge, Color
from webapp.page.opening import with_series
from webapp.page.text import figure
from webapp.queries import SOURCES, scenario_id
from webapp.store import Connection, availability, catalogue, incidents, leaderboard
from webapp.store.availability import Availability

STATISTICS = ("mean", "p50", "p95")
REACH = timedelta(days=30)
GOOD_AVAILABILITY, FAIR_AVAILABILITY = 0.99, 0.95
# Characters of an LLM's name.
LONGEST_SHOWN = 60
# Names of metrics up to this length are abbreviations that the field knows.
LONGEST_ABBREVIATION = 4
NO_DATA: tuple[str, Color] = ("no data", "grey")


def of_metric(metric: Metric, conn: Connection, llm_name: str, query: dict[str, Any]) -> Badge | None:
    """Return the badge of one statistic of a metric in a window; None if the LLM is unknown.

    Raises UnprocessableEntity if the query's scenario is unknown.
    """
    if catalogue.llm_id(conn, llm_name) is None:
        return None
    query = with_series(conn, query, [llm_name])
    source, statistic = query["source"], query["statistic"]
    rows = leaderboard.read(
        conn,
        metric_names=[metric.name],
        window=query["window"],
        source=source,
        scenario_id=scenario_id(conn, query["scenario"], source),
    )
    values = [getattr(row, statistic) for row in rows if row.llm_name == llm_name]
    what = _short(metric) if statistic == "mean" else f"{_short(metric)} {statistic}"
    return _badge(llm_name, what, source, (_with_unit(values[0], metric), "blue") if values else NO_DATA)


def of_availability(conn: Connection, llm_name: str, query: dict[str, Any]) -> Badge | None:
    """Return the badge of the ratio of runs that succeeded in the last 30 days, like `of_metric`."""
    if (llm_id := catalogue.llm_id(conn, llm_name)) is None:
        return None
    source, days = _days(conn, llm_id, query)
    return _badge(llm_name, "availability", source, _ratio(days))


def of_status(conn: Connection, llm_name: str, query: dict[str, Any]) -> Badge | None:
    """Return the badge of the open incidents: down, degraded, or operational; like `of_metric`."""
    if (llm_id := catalogue.llm_id(conn, llm_name)) is None:
        return None
    source, days = _days(conn, llm_id, query)
    kinds = {
        signal.kind
        for incident in incidents.read(conn, status="open", source=source, llm_id=llm_id)
        for signal in incident.signals
        if signal.llm_name == llm_name
        and signal.ended_at is None
        and query["scenario"] in (None, signal.scenario)
    }
    return _badge(llm_name, "status", source, _status(kinds) if days else NO_DATA)


def _days(conn: Connection, llm_id: int, query: dict[str, Any]) -> tuple[str, list[Availability]]:
    """Return the source that the query names, or what is measured rather than simulated, and its days."""
    scenario = query["scenario"] and scenario_id(conn, query["scenario"], query["source"])
    source, days = "", []
    for source in [query["source"]] if query["source"] else reversed(SOURCES):
        days = availability.read(
            conn,
            period="day",
            reach=REACH,
            now=datetime.now(UTC),
            source=source,
            scenario_id=scenario,
            llm_id=llm_id,
        )
        if days:
            break
    return source, days


def _ratio(days: list[Availability]) -> tuple[str, Color]:
    finished = sum(day.finished for day in days)
    judged = finished + sum(day.failed for day in days)
    if not judged:
        return NO_DATA
    # Rounded down, so that 100 % means that no run failed.
    text = f"{finished * 10_000 // judged / 100:g} %"
    if finished >= GOOD_AVAILABILITY * judged:
        return text, "green"
    return text, "yellow" if finished >= FAIR_AVAILABILITY * judged else "red"


def _status(kinds: set[str]) -> tuple[str, Color]:
    """Return the status of an LLM with active signals of these kinds."""
    if "down" in kinds:
        return "down", "red"
    return ("degraded", "yellow") if kinds else ("operational", "green")


def _badge(llm_name: str, what: str, source: str, said: tuple[str, Color]) -> Badge:
    """Return the badge, which says if its value is simulated, since it is shown without its context."""
    value, color = said
    cut = len(llm_name) > LONGEST_SHOWN
    name = f"{llm_name[: LONGEST_SHOWN - 1]}\N{HORIZONTAL ELLIPSIS}" if cut else llm_name
    return Badge(f"{name} {what}", f"{value} (simulated)" if source == "simulation" else value, color)


def _short(metric: Metric) -> str:
    return metric.name.upper() if len(metric.name) <= LONGEST_ABBREVIATION else metric.inline_title


def _with_unit(value: float, metric: Metric) -> str:
    if metric.unit.symbol == "ratio":
        return f"{100 * value:.3g} %"
    return f"{figure(value)} {metric.unit.symbol}"
