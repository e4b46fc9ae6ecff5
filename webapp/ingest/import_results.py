"""Results that `llm-measure run` has written, stored as runs of an LLM next to those of the schedule."""

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from llm_measure.report.reading import ReadDocument
from llm_measure.results import LevelResult
from webapp.ingest.attempt import claimed
from webapp.ingest.persist import persist
from webapp.ingest.publish import publishing
from webapp.ingest.register import refuse_changed
from webapp.llms import UnknownLLMError
from webapp.plan.measurement import definition, description, scenario_name
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection, connect, llms, scenarios

JOB_ID = "import"


@dataclass(frozen=True)
class Imported:
    """The scenario under which a level is stored, and why it is not ranked; None if it is."""

    scenario: str
    unranked: str | None


def import_results(
    settings: Settings, llm: str, results: ReadDocument, name: str | None = None
) -> list[Imported]:
    """Store each level as a run with source measurement, in the slot of the second in which it began.

    The workload is called `name` or, by default, after what was asked, such as 128-128-1a2b3c. A level that
    is stored already is left alone. Raises UnknownLLMError, ChangedScenarioError, psycopg2.Error.
    """
    with closing(connect(settings)) as conn, publishing(conn, cache_redis(settings)):
        known = llms.named(conn, llm)
        if known is None or known.archived:
            raise UnknownLLMError(llm)
        return [_import_level(conn, llm, results, level, name) for level in results.levels]


def _import_level(
    conn: Connection, llm: str, results: ReadDocument, level: LevelResult, name: str | None
) -> Imported:
    workload, api = results.workload, results.endpoint.api
    wanted = definition(workload, level.load, api, results.dataset_sha256)
    scenario = scenario_name(name or _workload_name(results, wanted), level.load, api)
    scenarios.add(conn, scenario, description(workload, level.load), wanted)
    refuse_changed(conn, scenario, wanted)
    conn.commit()
    slot = datetime.fromtimestamp(int(level.started_at.timestamp()), UTC)
    with claimed(conn, source="measurement", scenario=scenario, slot=slot, job_id=JOB_ID, llm=llm) as attempt:
        failure = persist(conn, attempt, workload, level) if attempt.runs else "already stored"
    return Imported(scenario, failure or level.invalid_reason)


def _workload_name(results: ReadDocument, wanted: dict[str, Any]) -> str:
    """Return a name of the prompt's and the response's length, and a digest of all that is asked."""
    asked = {name: value for name, value in wanted.items() if name not in ("concurrency", "rate", "arrival")}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    prompt = "dataset" if results.workload.dataset else results.workload.input_tokens
    return f"{prompt}-{results.workload.output_tokens}-{digest}"
