"""LLMs and workloads that a benchmark file names, brought into the database when they are first measured."""

from redis import Redis

from webapp.llms import LLMs, NameTakenError
from webapp.measurements import Measurement, definition, described
from webapp.settings import Settings
from webapp.store import Connection, llms, workloads


class ChangedWorkloadError(Exception):
    """What was measured under the workload's name was something else."""


def declare(conn: Connection, settings: Settings, redis: Redis, measurement: Measurement) -> None:
    """Add the LLM, and the level as a workload, if they are missing, and commit.

    An LLM that is added so is not simulated; one that is there already stays as it is. Raises
    ChangedWorkloadError if the workload's name stands for something else, since only like is ranked with like.
    """
    if llms.named(conn, measurement.llm) is None:
        _add(settings, redis, measurement)
    declare_workload(
        conn,
        measurement.workload,
        measurement.description or described(measurement.asks, measurement.load),
        definition(measurement.asks, measurement.load),
    )
    conn.commit()


def declare_workload(conn: Connection, name: str, description: str, wanted: dict[str, object]) -> None:
    """Add the workload if it is missing; the caller commits. Raises ChangedWorkloadError."""
    known = workloads.declare(conn, name, description, wanted)
    if known != wanted:
        changed = ", ".join(sorted(key for key in {*wanted, *(known or {})} if wanted.get(key) != (known or {}).get(key)))
        raise ChangedWorkloadError(
            f"workload {name}: {changed} changed since it was first measured; give the changed one another name"
        )


def _add(settings: Settings, redis: Redis, measurement: Measurement) -> None:
    try:
        LLMs(settings, redis).add(
            name=measurement.llm,
            company_name=measurement.company_name,
            provider=measurement.provider,
            simulated=False,
        )
    except NameTakenError:
        pass  # by another run, at the same time
