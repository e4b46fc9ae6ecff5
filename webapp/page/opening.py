"""Which series a view shows if its address names none: what is measured, or the simulation without any."""

from collections.abc import Sequence
from typing import Any

from marshmallow import Schema
from werkzeug.exceptions import UnprocessableEntity

from webapp.errors import shown
from webapp.queries import (
    SIMULATED_SCENARIO,
    SOURCES,
    name_filter,
    one_of,
    preferred_scenario,
    region_filter,
)
from webapp.scenarios import in_region, split
from webapp.store import Connection, catalogue, scenarios


class OpenSeries(Schema):
    """The filters that select comparable values; a view chooses what its address does not name."""

    source = one_of(SOURCES, None, "Source of the values; what is measured by default")
    scenario = name_filter("Scenario; one with values by default", "chat@c8")
    region = region_filter("Region; one that the scenario is measured from by default")


def with_series(conn: Connection, query: dict[str, Any], llm_names: Sequence[str] = ()) -> dict[str, Any]:
    """Return the query with a source and a scenario, which have values of these LLMs, or of any.

    The region becomes a part of the scenario.
    """
    measured = scenarios.measured(conn, list(llm_names))
    asked = _asked(conn, query["scenario"], query["region"], measured)
    is_measured = measured and asked in (None, *measured)
    source = query["source"] or ("measurement" if is_measured else "simulation")
    scenario = preferred_scenario(measured) if measured and source == "measurement" else SIMULATED_SCENARIO
    return {**query, "source": source, "scenario": asked or scenario, "region": None}


def _asked(conn: Connection, scenario: str | None, region: str | None, measured: Sequence[str]) -> str | None:
    """Return the scenario that is asked for; None if neither it nor a region is named.

    One that nobody measures from the region, as that of another scenario, is shown from where it is measured.
    """
    if scenario is None:
        found = [name for name in measured if region and split(name).region == region]
        if region and not found:
            raise UnprocessableEntity(f"region={shown(region)}: nothing has been measured from there")
        return preferred_scenario(found) if found else None
    try:
        name = in_region(scenario, region)
    except ValueError as error:
        raise UnprocessableEntity(f"region={shown(region)}: {error}") from None
    known = catalogue.scenario_names(conn)
    elsewhere = [each for each in known if split(each).local == scenario]
    return name if name in known or not elsewhere else preferred_scenario(elsewhere)
