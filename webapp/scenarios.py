"""Names of scenarios: workload@level, or workload@level@region of what is measured from a region.

A level ends with its API, unless that is chat: chat@c8, chat@c8-completions, chat@c8@eu. What one job
measures has such a name, too: a scenario's, or that of a workload at all levels, as chat, or chat@@eu from a
region.
"""

import re
from typing import NamedTuple

SEPARATOR = "@"  # in no workload's name
REGION = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}\Z")
REGION_RULE = "must be 1 to 31 of the characters a-z, 0-9 and -, the first one not -"


class ScenarioName(NamedTuple):
    """The parts of a scenario's name."""

    workload: str
    level: str  # with its API; empty for all levels, and for the simulation
    region: str | None = None

    @property
    def local(self) -> str:
        """The name without its region."""
        return SEPARATOR.join(filter(None, (self.workload, self.level)))

    def __str__(self) -> str:
        return self.local if self.region is None else SEPARATOR.join(self)  # type: ignore[arg-type]


def in_words(name: str) -> str:
    """Return the scenario's name as people read it, such as "chat@c8 from eu"."""
    parts = split(name)
    return f"{parts.local} from {parts.region}" if parts.region else name


def in_region(name: str, region: str | None) -> str:
    """Return the name of the scenario in the region, or the same name for None.

    Raises ValueError if it has another region, or none is possible.
    """
    parts = split(name)
    if region in (None, parts.region):
        return name
    if not parts.level:
        raise ValueError("needs a measured scenario, such as chat@c8")
    if parts.region:
        raise ValueError(f"contradicts the scenario, which is in {parts.region}; expected one of both")
    return str(parts._replace(region=region))


def split(name: str) -> ScenarioName:
    """Return the parts of the name of a scenario, or of what a job measures."""
    workload, _, rest = name.partition(SEPARATOR)
    level, _, region = rest.partition(SEPARATOR)
    return ScenarioName(workload, level, region or None)
