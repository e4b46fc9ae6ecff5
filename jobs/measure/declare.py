"""LLMs and workloads that a benchmark file names, brought into the database when they are first measured."""

from contextlib import suppress
from typing import Any

from redis import Redis

from webapp.llms import LLMs, NameTakenError
from webapp.measurements import Measurement, definition, described
from webapp.settings import Settings
from webapp.store import Connection, llms, workloads


class ChangedWorkloadError(Exception):
    """What was measured under the workload's name was something else."""


def declare(conn: Connection, settings: Settings, redis: Redis, measurement: Measurement) -> None:
    """Add the LLM, and the level as a workload, if they are missing, and commit.

    An LLM that is added so is not simulated; one that is there already stays as it is.
    """
    if llms.named(conn, measurement.llm) is None:
        _add(settings, redis, measurement)
    description = measurement.description or described(measurement.asks, measurement.load)
    workloads.declare(conn, measurement.workload, description, definition(measurement.asks, measurement.load))
    conn.commit()


def refuse_changed(conn: Connection, workload: str, wanted: dict[str, Any]) -> None:
    """Raise ChangedWorkloadError if the workload's name stands for something else than is wanted.

    Only like is ranked with like.
    """
    known = workloads.definition(conn, workload) or {}
    conn.commit()
    changed = sorted(key for key in {*wanted, *known} if wanted.get(key) != known.get(key))
    if changed:
        raise ChangedWorkloadError(
            f"workload {workload}: {', '.join(changed)} changed since it was first measured;"
            " give what is measured now another name"
        )


def _add(settings: Settings, redis: Redis, measurement: Measurement) -> None:
    # Another run may add it at the same time.
    with suppress(NameTakenError):
        LLMs(settings, redis).add(
            name=measurement.llm,
            company_name=measurement.company_name,
            provider=measurement.provider,
            simulated=False,
        )
