"""What the queries of API and page share: filters, validation, and ranked rows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import current_app, request
from marshmallow import Schema, ValidationError, fields, post_load, validate
from werkzeug.exceptions import NotFound, UnprocessableEntity

from llm_measure.metrics import METRICS, Metric, kind_of
from llm_measure.stats.histogram import Histogram
from llm_measure.stats.intervals import quantile_interval
from llm_measure.stats.ranks import rank_intervals
from webapp.errors import shown
from webapp.scenarios import REGION, REGION_RULE, in_region, split
from webapp.store import Connection, catalogue, scenarios
from webapp.store.leaderboard import Row
from webapp.store.run_records import STATUSES
from webapp.windows import LATEST, WINDOWS

SOURCES = ("simulation", "measurement")
SIMULATED_SCENARIO = "default"
ORDERS = ("best", "worst", "name")
# An LLM is stale after this number of slots without a new value.
STALE_SLOTS = 3
LONGEST_NAME = 200
MOST_RUNS = 200
LARGEST_ID = 2**63 - 1
LISTED_CHARACTERS = 300  # of the names that an error lists
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def one_of(choices: tuple[str, ...], default: str | None, description: str) -> fields.String:
    """Return a filter with a closed set of values."""
    return fields.String(
        load_default=default,
        validate=validate.OneOf(choices, error="must be one of {choices}"),
        metadata={"description": description, "example": default or choices[0]},
    )


def name_filter(description: str, example: str, default: str | None = None) -> fields.String:
    """Return a filter that takes a name."""
    return fields.String(
        load_default=default,
        validate=[
            validate.Length(min=1, max=LONGEST_NAME),
            validate.ContainsNoneOf("\0", error="must not contain a NUL character"),
        ],
        metadata={"description": description, "example": example},
    )


def whole_filter(low: int, high: int, default: int | None, description: str, example: int) -> fields.Integer:
    """Return a filter that takes a whole number."""
    return fields.Integer(
        load_default=default,
        validate=validate.Range(low, high),
        metadata={"description": description, "example": example},
    )


def metric_filter(default: str | None, description: str) -> fields.String:
    """Return a filter that takes the name of a registered metric."""

    def check(name: str) -> None:
        if name not in METRICS:
            raise ValidationError(f"must be one of {', '.join(METRICS.names)}")

    return fields.String(
        load_default=default,
        validate=check,
        metadata={"description": description, "example": default or "ttft", "enum": list(METRICS.names)},
    )


def region_filter(description: str) -> fields.String:
    """Return a filter that takes the name of a region."""
    return fields.String(
        load_default=None,
        validate=validate.Regexp(REGION, error=REGION_RULE),
        # The patterns of OpenAPI are those of JavaScript, which has no \Z.
        metadata={"description": description, "example": "eu", "pattern": REGION.pattern.replace(r"\Z", "$")},
    )


class RegionFilter(Schema):
    """A filter by region, next to one by scenario.

    Together they name a scenario, so that `region` is None in what is loaded if there is a scenario.
    """

    region = region_filter("Region that was measured from; the same as at the end of `scenario`")

    @post_load
    def join(self, query: dict[str, Any], **_: object) -> dict[str, Any]:
        """Make the region a part of the scenario's name."""
        if query["region"] and query["scenario"]:
            try:
                query["scenario"] = in_region(query["scenario"], query["region"])
            except ValueError as error:
                raise ValidationError({"region": [str(error)]}) from None
            query["region"] = None
        return query


class SeriesFilters(RegionFilter):
    """The filters that select comparable values."""

    source = one_of(SOURCES, "simulation", "Source of the values; sources are never mixed")
    scenario = name_filter(
        "Scenario: what was asked of the LLMs, at which load", "default", default=SIMULATED_SCENARIO
    )


class LeaderboardFilters(Schema):
    """What is shown of the selected values on the leaderboard."""

    metric = metric_filter(None, "One metric; by default all that the scenario can have")
    window = one_of(
        tuple(window.name for window in WINDOWS),
        LATEST.name,
        "How far back; `latest` is each LLM's latest finished run",
    )
    order = one_of(ORDERS, "best", "By mean, best or worst first in the metric's direction, or by name")


class LeaderboardQuery(SeriesFilters, LeaderboardFilters):
    """The filters of the leaderboard."""


class RunsFilters(Schema):
    """The filters of the list of runs, except for the scenario and its region."""

    status = one_of(STATUSES, None, "Status of the runs; any by default")
    source = one_of(SOURCES, None, "Source of the values; any by default")
    llm = name_filter("One LLM, archived or not; all by default", "GPT-4o")
    job_id = name_filter("Id of the job; any by default", "simulation-1795521600")
    limit = whole_filter(1, MOST_RUNS, 50, "Maximum number of runs in one response", 50)
    cursor = whole_filter(1, LARGEST_ID, None, "`next` of the previous page; the newest by default", 1234)


class RunsQuery(RunsFilters, RegionFilter):
    """The filters of the list of runs."""

    scenario = name_filter("Scenario; any by default", "default")


def refuse_repeated_arguments(but: tuple[str, ...] = ()) -> None:
    """Refuse an argument that is given twice, unless its name is in `but`; else one would silently win."""
    for name, values in request.args.lists():
        if len(values) > 1 and name not in but:
            raise UnprocessableEntity(f"{shown(name)}: given {len(values)} times; expected once")


def answer_name(endpoint: str, arguments: dict[str, Any]) -> str:
    """Return the name under which the response is cached, which is the same for any order of arguments."""
    return endpoint + "?" + "&".join(f"{name}={arguments[name]!r}" for name in sorted(arguments))


def known_metric(name: str, names: tuple[str, ...]) -> Metric:
    """Return the metric of that name; NotFound unless it is one of `names`."""
    if name not in names:
        raise NotFound(f"metric_name={shown(name)}: unknown metric; expected one of {', '.join(names)}")
    return METRICS[name]


def metrics_in(conn: Connection, scenario: str) -> tuple[Metric, ...]:
    """Return the metrics that measurements of the scenario have: of its kind.

    If that is unknown, all that a level can have.
    """
    definition = scenarios.definition(conn, scenario)
    if definition is None:
        return tuple(metric for metric in METRICS if tuple(metric.kinds) != ("search",))
    return METRICS.of("search" if "find" in definition else kind_of(definition.get("inputs")))


def scenario_id(conn: Connection, name: str, source: str | None = None) -> int:
    """Return the scenario's id; UnprocessableEntity, with those of the source, if it is unknown."""
    found = catalogue.scenario_id(conn, name)
    if found is None:
        names = ", ".join(catalogue.scenario_names(conn, source)) or "none, since nothing has run yet"
        if len(names) > LISTED_CHARACTERS:
            names = names[:LISTED_CHARACTERS] + "..."
        raise UnprocessableEntity(f"scenario={shown(name)}: unknown scenario; expected one of {names}")
    return found


def scenario_ids(conn: Connection, query: dict[str, Any]) -> list[int] | None:
    """Return the scenario of the query, or those of its region; None for all."""
    if query["scenario"]:
        return [scenario_id(conn, query["scenario"], query["source"])]
    if not query["region"]:
        return None
    names = [name for name in catalogue.scenario_names(conn) if split(name).region == query["region"]]
    return catalogue.scenario_ids(conn, names)


def preferred_scenario(names: Sequence[str]) -> str:
    """Return the first of the scenarios that is still measured, or else the first; the same at every call."""
    declared = {each.scenario for each in current_app.extensions["plan"].measurements()}
    return next((name for name in names if name in declared), names[0])


def llm_id(conn: Connection, name: str) -> int:
    """Return the LLM's id, archived or not; UnprocessableEntity if it is unknown."""
    found = catalogue.llm_id(conn, name)
    if found is None:
        raise UnprocessableEntity(f"llm={shown(name)}: unknown LLM")
    return found


def stale_after(source: str, scenario: str) -> timedelta | None:
    """Return the age from which a row is stale; None if no new values are scheduled."""
    if source == "simulation":
        intervals = [current_app.extensions["settings"].schedule_interval]
    else:
        declared = current_app.extensions["plan"].measurements()
        intervals = [each.interval for each in declared if each.scenario == scenario]
    return timedelta(seconds=STALE_SLOTS * max(intervals)) if intervals else None


def ranked(metric: Metric, rows: list[Row], order: str) -> list[dict[str, Any]]:
    """Return the rows of one metric with their ranks, in the given order; ties are ordered by name."""
    rows = sorted(rows, key=lambda row: row.llm_name)
    if order != "name":
        descending = (metric.better == "higher") == (order == "best")
        rows.sort(key=lambda row: row.mean, reverse=descending)
    intervals = [
        None if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high) for row in rows
    ]
    ranks = rank_intervals(intervals, metric.better)
    return [
        {"rank": rank.low, "rank_worst": rank.high, **vars(row)}
        for rank, row in zip(ranks, rows, strict=True)
    ]


def quantile_intervals(row: dict[str, Any], histogram: Histogram) -> dict[str, float | None]:
    """Return the 95 % confidence intervals of a row's quantiles, within its values.

    None for too few values, and for values that depend on each other. As in
    {"p50_low": 0.98, "p50_high": 1.02, "p95_low": ...}.
    """
    ends: dict[str, float | None] = {}
    independent = METRICS[row["metric_name"]].independent
    for name, p in QUANTILES.items():
        interval = (independent and quantile_interval(histogram, p)) or (None, None)
        for end, value in zip(("low", "high"), interval, strict=True):
            ends[f"{name}_{end}"] = None if value is None else min(max(value, row["min"]), row["max"])
    return ends
