"""One load level, from its plan to its records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from jobs.measure.record import LevelResult
from jobs.measure.workload import Endpoint, Load, Workload


@dataclass(frozen=True)
class Progress:
    """How far a level has come."""

    sent: int
    ended: int
    failed: int
    elapsed_s: float


class Stop(Protocol):
    """A threading.Event or the like."""

    def is_set(self) -> bool:
        """Whether to end now."""


def measure_level(  # noqa: PLR0913  (each names a part of the measurement)
    endpoint: Endpoint,
    workload: Workload,
    load: Load,
    *,
    first_index: int = 0,
    processes: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
) -> LevelResult:
    """Put the load on the endpoint and keep what comes; blocks until all is answered, failed or stopped.

    `first_index` sets this level's prompts apart from those of the levels before it. Requests under way
    when `stop` is set are cancelled.
    """
    raise NotImplementedError
