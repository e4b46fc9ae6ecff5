"""LLMs and scenarios of the benchmark file, added to the database when they are first measured."""

import json
from contextlib import suppress
from typing import Any

from redis import Redis

from webapp.llms import LLMs, NameTakenError
from webapp.plan.measurement import Measurement, description
from webapp.settings import Settings
from webapp.store import Connection, llms, runs, scenarios


class ChangedScenarioError(Exception):
    """The scenario's definition differs from what has been measured under its name."""


def register(conn: Connection, settings: Settings, redis: Redis, measurement: Measurement) -> None:
    """Add the LLM and the scenario if they are missing; the caller commits.

    An LLM added here is not simulated; an existing one is not changed.
    """
    if llms.named(conn, measurement.llm) is None:
        _add(settings, redis, measurement)
    described = measurement.description or description(measurement.workload, measurement.load)
    scenarios.add(conn, measurement.scenario, described, measurement.definition)


def refuse_changed(conn: Connection, scenario: str, wanted: dict[str, Any]) -> None:
    """Raise ChangedScenarioError if the stored definition of the scenario differs from the wanted one.

    Only like is ranked with like.
    """
    known = scenarios.definition(conn, scenario) or {}
    if changed := _differing(known, wanted, missing=None):
        raise ChangedScenarioError(
            f"scenario {scenario}: {changed} changed since its first measurement;"
            " give the workload a new name"
        )


def refuse_changed_body(conn: Connection, measurement: Measurement) -> None:
    """Raise ChangedScenarioError if the LLM is asked with another body than in its newest finished run.

    Its series would mix answers to different requests. URL, headers and keys may change.
    """
    known = (runs.newest_measurement(conn, measurement.llm, measurement.scenario) or {}).get("extra_body")
    wanted = json.loads(json.dumps(measurement.endpoint.asked(measurement.workload).extra_body))
    if known is not None and (changed := _differing(known, wanted, missing=...)):
        raise ChangedScenarioError(
            f"LLM {measurement.llm}: {changed} of the body changed since its last measurement;"
            " give the LLM a new name"
        )


def _differing(known: dict[str, Any], wanted: dict[str, Any], missing: object) -> str:
    """Return the names of the fields that differ, where a missing one counts as `missing`."""
    names = {*known, *wanted}
    return ", ".join(sorted(name for name in names if known.get(name, missing) != wanted.get(name, missing)))


def _add(settings: Settings, redis: Redis, measurement: Measurement) -> None:
    # Another run may have added it concurrently.
    with suppress(NameTakenError):
        LLMs(settings, redis).add(
            name=measurement.llm,
            company_name=measurement.company_name,
            provider=measurement.provider,
            simulated=False,
        )
