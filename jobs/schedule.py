"""What runs when, as data. `jobs.scheduler` makes Redis hold exactly these entries.

Every slot of a run ends as a row of `runs`. The scheduler enqueues what has become due since its last poll:
the ten newest slots, and a job that records older ones as missed. While ten slots of an entry wait untried,
it enqueues none and leaves the entry due, so that the queue stays short without workers. A job never expires:
the worker that takes it after more than ten intervals records its slot as missed. What is lost with Redis'
data, or fails while the database is unreachable, leaves no row; the hourly maintenance finds such gaps and
records them as missed. A missed run is not final: a job that comes late nevertheless takes it over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError

from webapp.plan.measurement import Measurement, tasks
from webapp.plan.rules import Rule
from webapp.queue.durations import BACKLOG_SLOTS, DELIVERY_INTERVAL, DIGEST_INTERVAL, MAINTENANCE_INTERVAL
from webapp.queue.enqueue import (
    enqueue_delivery,
    enqueue_digest,
    enqueue_maintenance,
    enqueue_measurement,
    enqueue_self_check,
    enqueue_simulation,
    measurement_job_id,
    simulation_job_id,
)
from webapp.queue.json_job import JSONJob
from webapp.settings import Settings

# Of an entry's job id: RQ keeps the jobs of all applications that use a Redis under one prefix.
ID_PREFIX = "llm-benchmark-"


@dataclass(frozen=True)
class Series:
    """Runs that an entry of the schedule makes: of the simulation, or of one measurement."""

    scenario: str
    measurement: Measurement | None = None

    @property
    def llm(self) -> str:
        """The measured LLM; empty for the simulation, which has several."""
        return self.measurement.llm if self.measurement else ""


SIMULATION = Series("default")


def series_of(measurement: Measurement) -> Series:
    """Return the runs of the measurement."""
    return Series(measurement.scenario, measurement)


@dataclass(frozen=True)
class Entry:
    """Something that recurs: every `interval` seconds, `enqueue` is called with the slot that is due."""

    name: str
    interval: int
    enqueue: Callable[[Queue, Settings, int], bool]
    job_id: Callable[[int], str] = str  # of the slot's job, if it makes runs
    series: tuple[Series, ...] = ()  # empty for what makes no runs, of which only the newest slot matters

    @property
    def id(self) -> str:
        """The id of the entry's job in Redis."""
        return ID_PREFIX + self.name

    @property
    def backlog(self) -> int:
        """How many slots may wait."""
        return BACKLOG_SLOTS if self.series else 1

    def slot_at(self, time: float) -> int:
        """Return the slot (Unix seconds) that contains `time`: the last multiple of the interval."""
        return int(time // self.interval) * self.interval


@dataclass(frozen=True)
class Stored:
    """What Redis holds of an entry: its interval, and its first slot at that interval.

    `resumed` is true if Redis held no entry at all before, because it is new or has lost its data.
    """

    interval: int
    since: int
    resumed: bool


def schedule(
    settings: Settings, measurements: Sequence[Measurement] = (), rules: Sequence[Rule] = ()
) -> tuple[Entry, ...]:
    """Return the entries for these settings, measurements and rules of notifications."""
    entries = [
        Entry(
            "every-simulation",
            settings.schedule_interval,
            enqueue_simulation,
            simulation_job_id,
            (SIMULATION,),
        ),
        Entry("every-maintenance", MAINTENANCE_INTERVAL, enqueue_maintenance),
    ]
    if settings.self_check_interval:
        entries.append(Entry("every-self-check", settings.self_check_interval, enqueue_self_check))
    if rules:
        entries.append(Entry("every-delivery", DELIVERY_INTERVAL, enqueue_delivery))
    if any(rule.digest for rule in rules):
        entries.append(Entry("every-digest", DIGEST_INTERVAL, enqueue_digest))
    for task in tasks(measurements):
        enqueue, job_id = partial(enqueue_measurement, task=task), partial(measurement_job_id, task)
        series = tuple(map(series_of, task.levels))
        entries.append(Entry(f"every-measurement-{task.slug}", task.interval, enqueue, job_id, series))
    return tuple(entries)


def stored(redis: Redis, entry: Entry) -> Stored | None:
    """Return what Redis holds of the entry; None if that is missing or not readable."""
    try:
        found = Stored(**JSONJob.fetch(entry.id, connection=redis).meta)
    except (NoSuchJobError, TypeError):
        return None
    return found if isinstance(found.interval, int) and isinstance(found.since, int) else None
