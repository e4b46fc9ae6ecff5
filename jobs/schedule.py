"""What runs when, as data. `jobs.scheduler` keeps Redis in step with it."""

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

MEASUREMENT_PREFIX = "every-measurement-"


@dataclass(frozen=True)
class Entry:
    """Something that recurs: every `interval` seconds, `enqueue` is called with the slot that is due."""

    id: str
    interval: int
    enqueue: Callable[[Queue, Settings, int], bool]

    def slot_at(self, time: float) -> int:
        """The slot (Unix seconds) that `time` lies in: the last multiple of the interval."""
        return int(time // self.interval) * self.interval


def schedule(settings: Settings, measurements: Sequence[Measurement] = ()) -> tuple[Entry, ...]:
    """The entries that these settings and measurements ask for."""
    entries = [
        Entry("every-simulation", settings.schedule_interval, enqueue_simulation),
        Entry("every-maintenance", MAINTENANCE_INTERVAL, enqueue_maintenance),
    ]
    if settings.self_check_interval:
        entries.append(Entry("every-self-check", settings.self_check_interval, enqueue_self_check))
    for measurement in measurements:
        enqueue = partial(enqueue_measurement, measurement=measurement)
        entries.append(Entry(MEASUREMENT_PREFIX + measurement.slug, measurement.interval, enqueue))
    return tuple(entries)
