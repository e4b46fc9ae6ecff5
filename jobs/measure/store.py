"""A measured level on its way into the database: requests, then points and rollups as of any other run."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from jobs.attempt import Attempt, finish
from jobs.measure.derive import derive
from jobs.measure.record import LevelResult, Record
from jobs.measure.workload import Workload
from webapp.metrics import METRICS, Metric
from webapp.store import Connection, requests, runs
from webapp.store.requests import Request
from webapp.store.runs import ClaimedRun


def store(conn: Connection, attempt: Attempt, asks: Workload, result: LevelResult) -> str | None:
    """Write the level's requests, and how it ended, for the attempt's one run, and commit all of it at once.

    A level without a single answer is a failed run, one that is not valid an invalid run: both keep their
    requests and get no points, so no ranking sees them. Returns the failure, None if there is none; writes
    nothing if a newer attempt has taken over.
    """
    if not attempt.hold(conn):
        return None
    (run,) = attempt.runs
    level = result.load.name
    rows = (_request(record, level, result.start_ns) for record in result.records)
    requests.replace(conn, attempt.slot, run.id, rows)
    runs.describe(conn, run, summary(asks, result))
    failure = _failure(result)
    if failure:
        runs.fail(conn, attempt.runs, attempt.token, failure)
    elif not result.valid:
        runs.invalidate(conn, attempt.runs, result.invalid_reason or "not valid")
    else:
        values = derive(result.records, asks.slo, result.duration_s)
        finish(conn, attempt, _by_metric(run, values))
    conn.commit()
    return failure


def derive_again(conn: Connection, run_id: int) -> dict[str, np.ndarray]:
    """The values by metric of a stored run, derived from its requests; LookupError if there are none."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT slot, measurement FROM runs WHERE id = %s", (run_id,))
        found = cursor.fetchone()
    if not found or not found[1]:
        raise LookupError(f"run {run_id} was not measured")
    slot, measurement = found
    records = [_record(request) for request in requests.read(conn, slot, run_id)]
    if not records:
        raise LookupError(f"the requests of run {run_id} are no longer kept")
    return derive(records, measurement["slo"], measurement["duration_s"])


def summary(asks: Workload, result: LevelResult) -> dict[str, Any]:
    """What is known of a level as a whole; with its requests, all that its metrics are derived from."""
    measured = [record for record in result.records if not record.warmup]
    return {
        "level": result.load.name,
        "started_at": result.started_at.isoformat(),
        "duration_s": result.duration_s,
        "requests": len(measured),
        "errors": dict(Counter(record.error for record in measured if record.error)),
        "client_cpu_s": result.client_cpu_s,
        "send_lag_ms": {name: getattr(result.send_lag, name) for name in ("p50", "p99", "max")},
        "slo": asks.slo,
    }


def _failure(result: LevelResult) -> str | None:
    """What to say of a level in which nothing was answered; None if something was."""
    ended = [record for record in result.records if record.error != "cancelled"]
    # Of one that was given up while it warmed up, there is nothing else.
    asked = [record for record in ended if not record.warmup] or ended
    if any(record.error is None for record in asked):
        return None
    if not asked:
        return "no request was answered before the end"
    counts = Counter(record.error for record in asked)
    named = ", ".join(f"{error} {count}" for error, count in counts.most_common())
    detail = asked[0].error_detail or asked[0].error
    return f"all {len(asked)} requests failed ({named}); the first with: {detail}"


def _by_metric(
    run: ClaimedRun, values: dict[str, np.ndarray]
) -> Iterator[tuple[ClaimedRun, Metric, np.ndarray]]:
    for metric in METRICS:
        if len(values.get(metric.name, ())):
            yield run, metric, values[metric.name]


def _request(record: Record, level: str, start_ns: int) -> Request:
    """The record as a row; its moments count from the level's start, not from the clock's own zero."""

    def since_start(moment: int | None) -> int | None:
        return None if moment is None else moment - start_ns

    return Request(
        number=record.index,
        warmup=record.warmup,
        level=level,
        intended_ns=record.intended_ns - start_ns,
        sent_ns=record.sent_ns - start_ns,
        connect_ns=record.connect_ns,
        first_byte_ns=since_start(record.first_byte_ns),
        first_token_ns=since_start(record.first_token_ns),
        last_token_ns=since_start(record.last_token_ns),
        end_ns=record.end_ns - start_ns,
        chunk_offsets_ns=record.chunk_offsets_ns,
        chunk_tokens=record.chunk_tokens,
        prompt_tokens=record.prompt_tokens,
        output_tokens=record.output_tokens,
        token_source=record.token_source,
        finish_reason=record.finish_reason,
        http_status=record.status,
        error=record.error,
        error_detail=record.error_detail,
    )


def _record(request: Request) -> Record:
    kept = {
        name: value for name, value in vars(request).items() if name not in ("number", "level", "http_status")
    }
    return Record(index=request.number, status=request.http_status, **kept)
