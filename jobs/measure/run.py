"""One measured run, from the endpoint's lock to generation: what a worker does with a measurement's slot."""

import logging
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from redis import Redis
from rq import Retry, get_current_job

from jobs.attempt import claimed
from jobs.lock import BusyError, renewed_lock
from jobs.measure.declare import declare, refuse_changed
from jobs.measure.give_up import GiveUp
from jobs.measure.level import measure_level
from jobs.measure.record import LevelResult
from jobs.measure.store import store
from jobs.measure.workload import Endpoint
from jobs.run import shown_at_the_end
from webapp.benchmark_file import read_benchmark_file
from webapp.measurements import Measurement, definition
from webapp.redis import impatient_redis
from webapp.settings import Settings, secret_variable
from webapp.store import Connection, connect

logger = logging.getLogger(__name__)

# A run whose endpoint is busy comes back after so many seconds, for as long as RQ keeps the job.
BUSY_SECONDS = 5
BUSY_TIMES = 1_000_000


class MeasurementError(Exception):
    """A measurement could not be made; the message is one line for whoever looks at the run."""


def run_measurement(llm: str, workload: str, slot: int) -> Retry | None:
    """Measure the LLM by the workload for the slot (Unix seconds), store and show it; the RQ job.

    May be called any number of times, by any number of processes, for one slot: it is stored once. Asks RQ to
    come back later if the endpoint is being measured. Raises whatever went wrong, after recording it in the
    run, so that RQ tries again.
    """
    settings = Settings.from_env()
    redis = impatient_redis(settings)
    job = get_current_job()
    measurement = _named(settings, llm, workload)
    try:
        with (
            renewed_lock(redis, f"endpoint-{measurement.server}", wait=False),
            closing(connect(settings)) as conn,
        ):
            fill_slot(conn, settings, redis, measurement, slot, job.id if job else "by-hand")
    except BusyError as busy:
        logger.info("%s by %s waits: %s", llm, workload, busy)
        return Retry(max=BUSY_TIMES, interval=BUSY_SECONDS)
    return None


def fill_slot(  # noqa: PLR0913, PLR0917  (each is a part of what a job knows)
    conn: Connection, settings: Settings, redis: Redis, measurement: Measurement, slot: int, job_id: str
) -> None:
    """Claim the slot's run, if it is unfinished, measure, store in one transaction, and show it."""
    declare(conn, settings, redis, measurement)
    moment = datetime.fromtimestamp(slot, UTC)
    with (
        shown_at_the_end(conn, redis),
        claimed(
            conn,
            source="measurement",
            workload=measurement.workload,
            slot=moment,
            job_id=job_id,
            llm=measurement.llm,
        ) as attempt,
    ):
        if attempt.runs:
            refuse_changed(conn, measurement.workload, definition(measurement.asks, measurement.load))
            result = _measure(measurement)
            failure = store(conn, attempt, measurement.asks, result)
            if failure:
                raise MeasurementError(failure)
            logger.info(
                "%s by %s: measured slot %s", measurement.llm, measurement.workload, moment.isoformat()
            )


def _measure(measurement: Measurement) -> LevelResult:
    """The level; not valid if it took longer than it may, as RQ's own limit could not stop it."""
    give_up = GiveUp(measurement.asks.timeout_s, measurement.longest_s)
    result = measure_level(
        _endpoint(measurement),
        measurement.asks,
        measurement.load,
        on_progress=give_up.watch,
        stop=give_up,
    )
    if give_up.is_late:
        reason = f"stopped after {measurement.longest_s} s, which is more than its requests may take together"
        return replace(result, valid=False, invalid_reason=reason)
    return result


def _named(settings: Settings, llm: str, workload: str) -> Measurement:
    for measurement in read_benchmark_file(settings):
        if (measurement.llm, measurement.workload) == (llm, workload):
            return measurement
    raise MeasurementError(f"the benchmark file no longer declares {llm} by {workload}")


def _endpoint(measurement: Measurement) -> Endpoint:
    if measurement.api_key_env is None:
        return measurement.endpoint
    key = secret_variable(measurement.api_key_env)
    if key is None:
        raise MeasurementError(f"the environment variable {measurement.api_key_env} is not set in the worker")
    return replace(measurement.endpoint, api_key=key)
