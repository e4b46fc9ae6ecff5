"""Results of `llm-measure run`, stored as runs of an LLM along with those of the schedule."""

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from llm_measure.distributions import shown
from llm_measure.report.reading import ReadDocument
from llm_measure.results import LevelResult
from webapp.ingest.attempt import claimed
from webapp.ingest.persist import persist, why_invalid
from webapp.ingest.publish import publishing
from webapp.ingest.register import refuse_changed
from webapp.llms import UnknownLLMError
from webapp.plan.measurement import LEVEL_FIELDS, definition, description, scenario_name
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection, connect, llms, scenarios

JOB_ID = "import"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# How far the clock of the machine that measured may be ahead of this one.
CLOCK_TOLERANCE = timedelta(hours=1)


class ArchivedLLMError(Exception):
    """The LLM is archived, so no run of it can be stored."""


class UnusableResultsError(Exception):
    """The results cannot be stored; the message says why."""


@dataclass(frozen=True)
class Imported:
    """How a level was imported; `unranked` is why it is not ranked, None if it is."""

    scenario: str
    already_stored: bool = False
    unranked: str | None = None


def import_results(
    settings: Settings, llm: str, results: ReadDocument, name: str | None = None, now: datetime | None = None
) -> list[Imported]:
    """Store each level as a run of source measurement, whose slot is the second in which the level started.

    `name` is that of the workload; by default it is derived from what was asked, such as 128-128-1a2b3c, or
    8x128-1a2b3c for 8 inputs. A level that is already stored is skipped. Raises UnknownLLMError,
    ArchivedLLMError, ChangedScenarioError and UnusableResultsError before anything is stored, and
    psycopg2.Error.
    """
    _check(results, now or datetime.now(UTC))
    with closing(connect(settings)) as conn, publishing(conn, settings, cache_redis(settings)):
        known = llms.named(conn, llm)
        if known is None:
            raise UnknownLLMError(llm)
        if known.archived:
            raise ArchivedLLMError(llm)
        names = [_add_scenario(conn, results, level, name) for level in results.levels]
        conn.commit()
        return [
            _import_level(conn, settings, llm, scenario, results, level)
            for scenario, level in zip(names, results.levels, strict=True)
        ]


def _check(results: ReadDocument, now: datetime) -> None:
    """Raise UnusableResultsError for what would be stored in the wrong place."""
    if results.file_sha256.keys() != results.workload.files.keys():
        expected = ", ".join(results.workload.files) or "no file"
        raise UnusableResultsError(f"file_sha256: does not fit; expected the digests of {expected}")
    for level in results.levels:
        if not EARLIEST <= level.started_at <= now + CLOCK_TOLERANCE:
            raise UnusableResultsError(
                f"started_at={level.started_at.isoformat()}: implausible; check the clock of the machine that"
                " measured"
            )


def _add_scenario(conn: Connection, results: ReadDocument, level: LevelResult, name: str | None) -> str:
    """Add the level's scenario unless it exists, and return its name."""
    workload, api = results.workload, results.endpoint.api
    wanted = definition(workload, level.load, api, results.file_sha256)
    scenario = scenario_name(name or _workload_name(results, wanted), level.load, api)
    scenarios.add(conn, scenario, description(workload, level.load), wanted)
    refuse_changed(conn, scenario, wanted)
    return scenario


def _import_level(  # noqa: PLR0913, PLR0917  (private; each is a part of what is stored)
    conn: Connection, settings: Settings, llm: str, scenario: str, results: ReadDocument, level: LevelResult
) -> Imported:
    slot = level.started_at.replace(microsecond=0)
    with claimed(
        conn, settings, source="measurement", scenario=scenario, slot=slot, job_id=JOB_ID, llm=llm
    ) as attempt:
        if not attempt.runs:
            return Imported(scenario, already_stored=True)
        failure = persist(conn, attempt, results.endpoint.asked(results.workload), level)
    return Imported(scenario, unranked=failure or why_invalid(level))


def _workload_name(results: ReadDocument, wanted: dict[str, Any]) -> str:
    """Return a name made of the lengths of what was asked, and a digest of all of it."""
    asked = {name: value for name, value in wanted.items() if name not in LEVEL_FIELDS}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    workload = results.workload
    if workload.trace:
        return f"trace-{digest}"
    prompt = "dataset" if workload.dataset else shown(workload.input_tokens)
    lengths = (
        f"{prompt}-{shown(workload.output_tokens)}"
        if workload.inputs is None
        else f"{workload.inputs}x{prompt}"
    )
    return f"{lengths}-{digest}"
