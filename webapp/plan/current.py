"""The plan as a process finds it now: the schedulers', or else its benchmark file's."""

import time
from collections.abc import Sequence
from contextlib import suppress

from redis import Redis, RedisError

from webapp.plan.benchmark_file import BenchmarkFileError, parse, read_text
from webapp.plan.measurement import Measurement
from webapp.plan.rules import Rule
from webapp.plan.shared import SharedPlan
from webapp.settings import Settings

# How long a process of the API relies on what it has read.
RELIED_SECONDS = 1.0


def read_plan(settings: Settings, redis: Redis) -> tuple[Measurement, ...]:
    """Return the planned measurements, none without a benchmark file.

    If the process' own file differs from the schedulers' plan, because it is broken or reaches this machine
    late, the plan is used if it can be trusted. Raises BenchmarkFileError if neither can be used.
    """
    return parse(settings, _text(settings, redis)).measurements if settings.benchmark_file else ()


def read_rules(settings: Settings, redis: Redis) -> tuple[Rule, ...]:
    """Return the rules of notifications, none without a benchmark file; from the same plan as `read_plan`."""
    return parse(settings, _text(settings, redis)).rules if settings.benchmark_file else ()


def vouch(settings: Settings, redis: Redis) -> None:
    """Vouch for the schedulers' plan if this process' own file is the same; call it every second.

    So workers keep the plan when the file is broken later, whether or not they have measured meanwhile.
    """
    if settings.benchmark_file:
        with suppress(BenchmarkFileError):
            _text(settings, redis)


def _text(settings: Settings, redis: Redis) -> str:
    shared = SharedPlan(settings, redis)
    with suppress(RedisError):
        plan = shared.text()
        if plan is not None and shared.is_vouched(plan):
            return plan
        own = read_text(settings)
        if own == plan and shared.can_vouch:
            parse(settings, own)
            shared.vouch(own)
        return own
    return read_text(settings)


def lags_behind(settings: Settings, redis: Redis) -> bool:
    """Return whether this process uses its own file although the schedulers have another plan."""
    shared = SharedPlan(settings, redis)
    try:
        plan = shared.text()
        return plan is not None and not shared.is_vouched(plan) and plan != read_text(settings)
    except RedisError:
        return False


class CurrentPlan:
    """The planned measurements of a process that outlives changes of the benchmark file."""

    def __init__(self, settings: Settings, redis: Redis):
        """Raise BenchmarkFileError if there is no plan to begin with."""
        self._settings = settings
        self._redis = redis
        self._text: str | None = None
        self._measurements: Sequence[Measurement] = ()
        self._read()

    def measurements(self) -> Sequence[Measurement]:
        """Return what is planned now, as known for at most a second, or as before while nothing is right."""
        if time.monotonic() - self._read_at >= RELIED_SECONDS:
            with suppress(BenchmarkFileError):
                self._read()
        return self._measurements

    def _read(self) -> None:
        self._read_at = time.monotonic()
        if self._settings.benchmark_file and (text := _text(self._settings, self._redis)) != self._text:
            self._measurements = parse(self._settings, text).measurements
            self._text = text
