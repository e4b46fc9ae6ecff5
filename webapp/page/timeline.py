"""The timeline of incidents: a lane for each LLM, with positions from 0 to 1 that the template draws."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webapp.store.incidents import SEVERITIES, Incident

LEAST_WIDTH = 0.006  # so that a short incident can be seen and hit
MOST_TICKS = 7


@dataclass(frozen=True)
class Bar:
    """An incident in the lane of one of its LLMs."""

    incident: Incident
    start: float
    width: float


@dataclass(frozen=True)
class Period:
    """The time that a timeline shows."""

    since: datetime
    now: datetime

    def at(self, moment: datetime) -> float:
        """Return the moment's position, within the timeline."""
        return min(max((moment - self.since) / (self.now - self.since), 0.0), 1.0)

    def ticks(self) -> list[tuple[float, datetime]]:
        """Return the position and the time of at most MOST_TICKS beginnings of days (UTC)."""
        step = -(-(self.now - self.since) // timedelta(days=MOST_TICKS))
        day = self.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found = []
        while day > self.since:
            found.append((self.at(day), day))
            day -= timedelta(days=step)
        return found[::-1]


def lanes(incidents: Iterable[Incident], period: Period) -> dict[str, list[Bar]]:
    """Return the bars of each affected LLM, by name; the gravest are drawn last."""
    found: dict[str, list[Bar]] = {}
    for incident in sorted(incidents, key=lambda each: SEVERITIES.index(each.severity)):
        start = period.at(incident.started_at)
        width = max(period.at(incident.resolved_at or period.now) - start, LEAST_WIDTH)
        bar = Bar(incident, min(start, 1 - width), width)
        for name in incident.llm_names:
            found.setdefault(name, []).append(bar)
    return dict(sorted(found.items()))
