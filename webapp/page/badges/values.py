"""What a badge says of an LLM: the value of a metric, its availability, or its status."""

from datetime import UTC, datetime, timedelta
from typing import Any

from llm_measure.metrics import Metric
from webapp.page.availability import level, share
from webapp.page.badges.drawing import Badge, Color
from webapp.page.health import SILENCE, health
from webapp.page.opening import with_series
from webapp.page.text import figure
from webapp.queries import SOURCES, scenario_id, scenario_ids
from webapp.store import Connection, availability, catalogue, incidents, leaderboard
from webapp.store.availability import Availability

STATISTICS = ("mean", "p50", "p95")
REACH = timedelta(days=30)
COLORS_OF_LEVELS: dict[str, Color] = {"good": "green", "fair": "yellow", "poor": "red"}
COLORS_OF_STATES: dict[str, Color] = {
    "operational": "green",
    "degraded": "yellow",
    "down": "red",
    "no data": "grey",
}
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
    source, days = _counts(conn, llm_id, query, "day", REACH)
    return _badge(llm_name, "availability", source, _ratio(days))


def of_status(conn: Connection, llm_name: str, query: dict[str, Any]) -> Badge | None:
    """Return the badge of the LLM's state, as the status page has it; like `of_metric`."""
    if (llm_id := catalogue.llm_id(conn, llm_name)) is None:
        return None
    source, _ = _counts(conn, llm_id, query, "day", REACH)
    _, hours = _counts(conn, llm_id, {**query, "source": source}, "hour", SILENCE)
    ongoing = incidents.read(conn, status="open", source=source, llm_id=llm_id)
    is_heard = any(hour.ratio is not None for hour in hours)
    state = health(llm_name, ongoing, is_heard, query["scenario"], query["region"])
    return _badge(llm_name, "status", source, (state, COLORS_OF_STATES[state]))


def _counts(
    conn: Connection, llm_id: int, query: dict[str, Any], period: str, reach: timedelta
) -> tuple[str, list[Availability]]:
    """Return the query's source, or what is measured rather than simulated, and its hours or days."""
    asked = scenario_ids(conn, query)
    source, found = "", []
    for source in [query["source"]] if query["source"] else reversed(SOURCES):
        found = availability.read(
            conn,
            period=period,
            reach=reach,
            now=datetime.now(UTC),
            source=source,
            scenario_ids=asked,
            llm_id=llm_id,
        )
        if found:
            break
    return source, found


def _ratio(days: list[Availability]) -> tuple[str, Color]:
    finished = sum(day.finished for day in days)
    judged = finished + sum(day.failed for day in days)
    if not judged:
        return NO_DATA
    ratio = finished / judged
    return share(ratio), COLORS_OF_LEVELS[level(ratio)]


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
