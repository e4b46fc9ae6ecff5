"""Levels measured by hand, stored as runs of an LLM beside those of the schedule."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs.attempt import claimed
from jobs.measure.declare import refuse_changed
from jobs.measure.record import LevelResult
from jobs.measure.store import store
from jobs.measure.workload import Workload
from jobs.run import shown_at_the_end
from webapp.llms import UnknownLLMError
from webapp.measurements import definition, described, level
from webapp.redis import impatient_redis
from webapp.settings import Settings
from webapp.store import connect, llms, workloads

JOB_ID = "by-hand"


@dataclass(frozen=True)
class Saved:
    """Where a level stands now, and why it is not ranked; None if it is."""

    workload: str
    unranked: str | None


def check_savable(settings: Settings, llm: str) -> None:
    """To be called before measuring; raises UnknownLLMError if no such LLM is ranked, and psycopg2.Error."""
    with closing(connect(settings)) as conn:
        known = llms.named(conn, llm)
    if known is None or known.archived:
        raise UnknownLLMError(f"{llm!r}: no such LLM is ranked; add it by `flask llms add --measured-only`")


def save(
    settings: Settings, llm: str, asks: Workload, results: Sequence[LevelResult], name: str | None = None
) -> list[Saved]:
    """Store each level as a run, under source measurement, of the second in which it began, and show them.

    Its workload is called `name`, or after what was asked, with the level behind it, such as
    128-128-1a2b3c@c8. Raises UnknownLLMError, jobs.measure.declare.ChangedWorkloadError, psycopg2.Error.
    """
    check_savable(settings, llm)
    saved = []
    with closing(connect(settings)) as conn, shown_at_the_end(conn, impatient_redis(settings)):
        for result in results:
            workload = f"{name or _name(asks, result)}@{level(result.load)}"
            wanted = definition(asks, result.load)
            workloads.declare(conn, workload, described(asks, result.load), wanted)
            conn.commit()
            refuse_changed(conn, workload, wanted)
            slot = datetime.fromtimestamp(int(result.started_at.timestamp()), UTC)
            with claimed(
                conn, source="measurement", workload=workload, slot=slot, job_id=JOB_ID, llm=llm
            ) as attempt:
                failure = store(conn, attempt, asks, result) if attempt.runs else "it is stored already"
            saved.append(Saved(workload, failure or result.invalid_reason))
    return saved


def _name(asks: Workload, result: LevelResult) -> str:
    """After the prompt's and the answer's length, and a digest of all that is asked, the load left out."""
    asked = {
        name: value
        for name, value in definition(asks, result.load).items()
        if name not in ("concurrency", "rate", "arrival")
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    prompt = "dataset" if asks.dataset else asks.input_tokens
    return f"{prompt}-{asks.output_tokens}-{digest}"
