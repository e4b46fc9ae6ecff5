"""Which series a view shows if its address names none: what is measured, or the simulation without any."""

from collections.abc import Sequence
from typing import Any

from marshmallow import Schema

from webapp.queries import SIMULATED_SCENARIO, SOURCES, name_filter, one_of, preferred_scenario
from webapp.store import Connection, scenarios


class OpenSeries(Schema):
    """The filters that select comparable values; a view chooses what its address does not name."""

    source = one_of(SOURCES, None, "Source of the values; what is measured by default")
    scenario = name_filter("Scenario; one with values by default", "chat@c8")


def with_series(conn: Connection, query: dict[str, Any], llm_names: Sequence[str] = ()) -> dict[str, Any]:
    """Return the query with a source and a scenario, which have values of these LLMs, or of any."""
    measured = scenarios.measured(conn, list(llm_names))
    is_measured = measured and query["scenario"] in (None, *measured)
    source = query["source"] or ("measurement" if is_measured else "simulation")
    scenario = preferred_scenario(measured) if measured and source == "measurement" else SIMULATED_SCENARIO
    return {**query, "source": source, "scenario": query["scenario"] or scenario}
