"""What runs when, as data. `jobs.scheduler` keeps Redis in step with it."""

from collections.abc import Callable
from dataclasses import dataclass

from rq import Queue

from jobs.queue import MAINTENANCE_INTERVAL, enqueue_maintenance, enqueue_simulation
from webapp.settings import Settings


@dataclass(frozen=True)
class Entry:
    """Something that recurs: every `interval` seconds, `enqueue` is called with the slot that is due."""

    id: str
    interval: int
    enqueue: Callable[[Queue, Settings, int], bool]

    def slot_at(self, time: float) -> int:
        """The slot (Unix seconds) that `time` lies in: the last multiple of the interval."""
        return int(time // self.interval) * self.interval


def schedule(settings: Settings) -> tuple[Entry, ...]:
    """The entries that these settings ask for."""
    return (
        Entry("every-simulation", settings.schedule_interval, enqueue_simulation),
        Entry("every-maintenance", MAINTENANCE_INTERVAL, enqueue_maintenance),
    )
