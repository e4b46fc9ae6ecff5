"""Which scenarios are the levels of a curve."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from werkzeug.exceptions import UnprocessableEntity

from webapp import scenarios
from webapp.errors import shown
from webapp.plan.measurement import UNMARKED_API
from webapp.queries import LISTED_CHARACTERS
from webapp.store import Connection, catalogue

LEVEL = re.compile(
    r"(?P<kind>[crx])(?P<load>\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?P<constant>-constant)?(?:-(?P<api>.+))?"
)
LOADS = {"c": "concurrency", "r": "rate", "x": "speed"}
# Of load; arrivals at random or at a constant distance are different loads.
KINDS = ("concurrency", "rate", "rate-constant", "speed")


class Level(NamedTuple):
    """A scenario that is a level of a curve."""

    scenario: str
    workload: str
    api: str
    region: str | None
    kind: str  # one of KINDS
    load: float  # the concurrency, the requests/s, or the speed of a trace


@dataclass(frozen=True)
class Choice:
    """The levels that are selected, and what can be selected instead; None and empty without any level."""

    workload: str | None
    api: str | None
    region: str | None
    levels: tuple[Level, ...]
    workloads: tuple[str, ...]
    apis: tuple[str, ...]
    regions: tuple[str | None, ...]  # None: levels without a region
    kinds: tuple[str, ...]  # those with most levels first


def level(scenario: str) -> Level | None:
    """Return what the scenario's name says; None if it is no level, such as the search chat@max."""
    parts = scenarios.split(scenario)
    found = LEVEL.fullmatch(parts.level)
    if not found:
        return None
    kind = LOADS[found["kind"]] + (found["constant"] or "")
    api = found["api"] or UNMARKED_API
    return Level(scenario, parts.workload, api, parts.region, kind, float(found["load"]))


def choose(conn: Connection, query: dict[str, Any]) -> Choice:
    """Return the levels that the query selects; UnprocessableEntity if its source has none of them.

    What it leaves open is the workload with most levels, `chat` or else the first API, no region or else the
    first one, and all kinds of load.
    """
    found = [each for each in map(level, catalogue.scenario_names(conn, query["source"])) if each]
    workloads = _most_first(each.workload for each in found)
    workload = _chosen("workload", query["workload"], workloads)
    found = [each for each in found if each.workload == workload]
    apis = sorted({each.api for each in found}, key=lambda name: (name != UNMARKED_API, name))
    api = _chosen("api", query["api"], apis)
    found = [each for each in found if each.api == api]
    regions = sorted({each.region for each in found}, key=lambda name: name or "")
    region = _chosen("region", query["region"], regions)
    found = [each for each in found if each.region == region]
    kinds = _most_first(each.kind for each in found)
    if query["kind"] is not None:
        kind = _chosen("kind", query["kind"], kinds)
        found = [each for each in found if each.kind == kind]
    return Choice(
        workload, api, region, tuple(found), tuple(sorted(workloads)), tuple(apis), tuple(regions), kinds
    )


def _most_first(names: Any) -> tuple[str, ...]:
    return tuple(name for name, _ in Counter(names).most_common())


def _chosen(argument: str, value: str | None, known: Sequence[str | None]) -> str | None:
    if value is None:
        return known[0] if known else None
    if value not in known:
        names = ", ".join(filter(None, known))
        if len(names) > LISTED_CHARACTERS:
            names = names[:LISTED_CHARACTERS] + "..."
        expected = f"; expected one of {names}" if names else ""
        raise UnprocessableEntity(f"{argument}={shown(value)}: has no levels{expected}")
    return value
