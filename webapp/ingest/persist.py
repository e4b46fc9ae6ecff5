"""A measured level stored as a run: its requests, then points and rollups as for any run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from llm_measure.client.tokens import recounted
from llm_measure.metrics import METRICS, Span, derive
from llm_measure.metrics.clumps import share_together
from llm_measure.records import SECOND_NS, Record
from llm_measure.report.facts import facts
from llm_measure.results import LevelResult, not_ranked
from llm_measure.soundness import sound
from llm_measure.workloads import Workload
from webapp.ingest.attempt import Attempt, finish
from webapp.store import Connection, requests, runs
from webapp.store.requests import Request

UNVERIFIED = "TLS was not verified (insecure); rank_insecure: true in the benchmark file ranks such runs"


def persist(  # noqa: PLR0913  (each is a part of what is stored)
    conn: Connection,
    attempt: Attempt,
    workload: Workload,
    result: LevelResult,
    rank_insecure: bool = False,
    *,
    server: str | None = None,
    shards: Sequence[dict[str, Any]] = (),
) -> str | None:
    """Write the level's requests and outcome for the attempt's one run in one transaction, and commit.

    A level without one correct response becomes a failed run, one that is not valid an invalid run: both
    keep their requests and have no points, so no ranking shows them. Neither has a metric that says nothing
    about the endpoint. Returns why the run failed, None if it did not. Writes nothing if a newer attempt has
    claimed the run.

    A request with values that cannot be true becomes a failed one, so that it does not cost the run. A level
    without verified TLS is not valid, unless `rank_insecure`. The `server` is what incidents are about.
    `shards` describe those of a level that several workers have measured.
    """
    if not attempt.hold(conn):
        return None
    (run,) = attempt.runs
    records = [sound(record.since(result.start_ns)) for record in result.records]
    result = replace(result, records=records, start_ns=0)
    rows = (_request(record, result.load.name) for record in records)
    requests.replace(conn, attempt.slot, run.id, rows)
    more = {"server": server, "shards": list(shards)}
    described = summary(workload, result) | {name: what for name, what in more.items() if what}
    runs.describe(conn, run, described)
    failure = _failure(result)
    if failure:
        runs.fail(conn, attempt.runs, attempt.token, failure)
    elif reason := why_invalid(result, rank_insecure):
        runs.invalidate(conn, attempt.runs, reason)
    else:
        values = derive(result.records, workload.slo, result.span, workload.inputs)
        ranked = {name: found for name, found in values.items() if name not in result.not_ranked}
        finish(conn, attempt, ((run, METRICS[name], found) for name, found in ranked.items() if len(found)))
    conn.commit()
    return failure


def why_invalid(result: LevelResult, rank_insecure: bool = False) -> str | None:
    """Return why the level is stored without being ranked; None if it is ranked."""
    if not result.valid:
        return result.invalid_reason or "not valid"
    return UNVERIFIED if result.insecure and not rank_insecure else None


def rederive(conn: Connection, run_id: int) -> dict[str, np.ndarray]:
    """Return a stored run's values by metric, derived again from its requests; LookupError if it has none."""
    return _derived(*_stored(conn, run_id))


def rederive_ranked(conn: Connection, run_id: int) -> dict[str, np.ndarray]:
    """Return those of the values that are points of a finished run; raises LookupError as `rederive` does."""
    measurement, records = _stored(conn, run_id)
    is_open = not measurement["level"].startswith("concurrency ")
    left_out = not_ranked(is_open, share_together(records), measurement.get("chunks_read_late"))
    values = _derived(measurement, records)
    return {name: found for name, found in values.items() if len(found) and name not in left_out}


def _stored(conn: Connection, run_id: int) -> tuple[dict[str, Any], list[Record]]:
    found = runs.measurement(conn, run_id)
    if found is None:
        raise LookupError(f"run {run_id}: unknown or not measured")
    slot, measurement = found
    records = [_record(request) for request in requests.read(conn, slot, run_id)]
    if not records:
        raise LookupError(f"run {run_id}: its requests are no longer kept")
    return measurement, records


def _derived(measurement: dict[str, Any], records: list[Record]) -> dict[str, np.ndarray]:
    # Runs from before spans were stored had rates over the whole level.
    span_ns = measurement.get("span_ns", (0, round(measurement["duration_s"] * SECOND_NS)))
    return derive(records, measurement["slo"], Span(*span_ns), measurement.get("inputs"))


def summary(workload: Workload, result: LevelResult) -> dict[str, Any]:
    """Return what describes a level as a whole; its metrics are derived from this and its requests."""
    return {
        "level": result.load.name,
        "span_ns": [result.span.begin_ns, result.span.end_ns],
        "slo": workload.slo,
        "extra_body": workload.extra_body,
        **facts(workload, result),
    }


def _failure(result: LevelResult) -> str | None:
    """Return why a level without one correct response has failed; None if there is one."""
    ended = [record for record in result.records if record.error != "cancelled"]
    # A level that was given up during its warm-up has no other requests.
    asked = [record for record in ended if not record.warmup] or ended
    if any(record.error is None for record in asked):
        return None
    if not asked:
        return "no request ended before the measurement did"
    counts = Counter(record.error for record in asked)
    named = ", ".join(f"{error} {count}" for error, count in counts.most_common())
    detail = asked[0].error_detail or asked[0].error
    return f"all {len(asked)} requests failed ({named}); the first with: {detail}"


def _request(record: Record, level: str) -> Request:
    """Return the record as a row of the table."""
    return Request(
        number=record.index,
        warmup=record.warmup,
        level=level,
        intended_ns=record.intended_ns,
        sent_ns=record.sent_ns,
        connect_ns=record.connect_ns,
        first_byte_ns=record.first_byte_ns,
        first_token_ns=record.first_token_ns,
        first_answer_ns=record.first_answer_ns,
        last_token_ns=record.last_token_ns,
        end_ns=record.end_ns,
        chunk_offsets_ns=record.chunk_offsets_ns,
        chunk_tokens=record.chunk_tokens,
        prompt_tokens=record.prompt_tokens,
        cached_tokens=record.cached_tokens,
        output_tokens=record.output_tokens,
        reasoning_tokens=record.reasoning_tokens,
        token_source=record.token_source,
        finish_reason=record.finish_reason,
        answered_by=record.answered_by,
        http_status=record.status,
        error=record.error,
        error_detail=record.error_detail,
        conversation=record.conversation,
        turn=record.turn,
        answer_valid=record.answer_valid,
    )


def _record(request: Request) -> Record:
    kept = {
        name: value for name, value in vars(request).items() if name not in ("number", "level", "http_status")
    }
    record = Record(index=request.number, status=request.http_status, **kept)
    return replace(record, chunk_tokens=recounted(record))
