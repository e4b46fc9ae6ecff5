"""What runs when, as data. `jobs.scheduler` makes Redis hold exactly these entries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rq import Queue

from webapp.plan.measurement import Measurement
from webapp.queue import (
    MAINTENANCE_INTERVAL,
    enqueue_maintenance,
    enqueue_measurement,
    enqueue_self_check,
    enqueue_simulation,
)
from webapp.settings import Settings

# Of an entry's job id: RQ keeps the jobs of all applications that use a Redis under one prefix.
ID_PREFIX = "llm-benchmark-"


@dataclass(frozen=True)
class Entry:
    """Something that recurs: every `interval` seconds, `enqueue` is called with the slot that is due."""

    name: str
    interval: int
    enqueue: Callable[[Queue, Settings, int], bool]
    is_measurement: bool = False

    @property
    def id(self) -> str:
        """The id of the entry's job in Redis."""
        return ID_PREFIX + self.name

    def slot_at(self, time: float) -> int:
        """Return the slot (Unix seconds) that contains `time`: the last multiple of the interval."""
        return int(time // self.interval) * self.interval


def schedule(settings: Settings, measurements: Sequence[Measurement] = ()) -> tuple[Entry, ...]:
    """Return the entries for these settings and measurements."""
    entries = [
        Entry("every-simulation", settings.schedule_interval, enqueue_simulation),
        Entry("every-maintenance", MAINTENANCE_INTERVAL, enqueue_maintenance),
    ]
    if settings.self_check_interval:
        entries.append(Entry("every-self-check", settings.self_check_interval, enqueue_self_check))
    for measurement in measurements:
        enqueue = partial(enqueue_measurement, measurement=measurement)
        name = f"every-measurement-{measurement.slug}"
        entries.append(Entry(name, measurement.interval, enqueue, is_measurement=True))
    return tuple(entries)
