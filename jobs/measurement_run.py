"""One measured run: lock endpoint and processor, measure, persist and publish the result."""

import logging
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from redis import Redis
from rq import Retry, get_current_job

from jobs.future_slot import dropping_future_slots
from jobs.host import processor
from jobs.lock import BUSY_SECONDS, BusyError, renewed_lock, when_free
from jobs.missed import is_late, record_late
from jobs.schedule import series_of
from llm_measure.client.level import measure_level
from llm_measure.client.probe import probe_prompts
from llm_measure.client.token_command import TokenError
from llm_measure.endpoints import Endpoint
from llm_measure.give_up import GiveUp
from llm_measure.results import LevelResult
from webapp.ingest.attempt import Attempt, claimed
from webapp.ingest.persist import persist
from webapp.ingest.publish import publishing_afterwards
from webapp.ingest.register import refuse_changed, refuse_changed_body, register
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Measurement
from webapp.queue import STORE_SECONDS
from webapp.redis import cache_redis
from webapp.settings import Settings, secret_variable
from webapp.store import Connection
from webapp.store.reconnect import connect_patiently, reconnecting

logger = logging.getLogger(__name__)


class MeasurementError(Exception):
    """A measurement failed; the message is one line, which is shown with the run."""


def run_measurement(llm: str, scenario: str, slot: int) -> Retry | None:
    """Measure the LLM in the scenario for the slot (Unix seconds), persist and publish; the RQ job.

    May be called any number of times, by any number of processes, for one slot: the result is stored once.
    Returns a Retry, with which RQ calls again later, if the endpoint or all processors of this machine are
    busy with other measurements. A job that has waited for too long records the slot as missed instead;
    one of a future slot is dropped.
    Raises any error, after recording it in the run, so that RQ retries.
    """
    settings = Settings.from_env()
    redis = cache_redis(settings)
    job = get_current_job()
    measurement = _planned(settings, llm, scenario)
    if is_late(settings, measurement.interval):
        record_late(settings, redis, series_of(measurement), slot)
        return None
    try:
        with (
            dropping_future_slots(),
            renewed_lock(redis, f"endpoint-{measurement.server}", wait=False),
            processor(settings, redis),
        ):
            fill_slot(settings, redis, measurement, slot, job.id if job else "on-demand")
    except BusyError as busy:
        logger.info("%s %s: retrying in %d s: %s", llm, scenario, BUSY_SECONDS, busy)
        return when_free()
    return None


def fill_slot(settings: Settings, redis: Redis, measurement: Measurement, slot: int, job_id: str) -> None:
    """Claim the slot's run unless it is finished; measure, persist in one transaction, and publish.

    No connection is held while the endpoint is measured: an idle one may be ended by a firewall, a failover
    or the server's settings, and is one of the few that a server or pooler has.
    """
    moment = datetime.fromtimestamp(slot, UTC)
    with publishing_afterwards(settings, redis), closing(connect_patiently(settings)) as conn:
        register(conn, settings, redis, measurement)
        conn.commit()
        with claimed(
            conn,
            settings,
            source="measurement",
            scenario=measurement.scenario,
            slot=moment,
            job_id=job_id,
            llm=measurement.llm,
        ) as attempt:
            if attempt.runs:
                refuse_changed(conn, measurement.scenario, measurement.definition)
                refuse_changed_body(conn, measurement)
                conn.close()
                _measure_and_persist(settings, measurement, attempt)
                logger.info(
                    "%s %s: measured slot %s", measurement.llm, measurement.scenario, moment.isoformat()
                )


def _measure_and_persist(settings: Settings, measurement: Measurement, attempt: Attempt) -> None:
    """Measure, and store the result as soon as the database can be reached; MeasurementError if it failed."""
    result = _measure(measurement)

    def write(conn: Connection) -> str | None:
        asked = measurement.endpoint.asked(measurement.workload)
        return persist(conn, attempt, asked, result, measurement.rank_insecure)

    failure = reconnecting(settings, write, STORE_SECONDS)
    if failure:
        raise MeasurementError(failure)


def _measure(measurement: Measurement) -> LevelResult:
    """Measure the level, and stop it when it is late, which RQ's timeout cannot do; then it is not valid."""
    give_up = GiveUp(measurement.workload.timeout_s, measurement.longest_s)
    endpoint = _endpoint(measurement)
    try:
        result = measure_level(
            endpoint,
            measurement.workload,
            measurement.load,
            on_progress=give_up.watch,
            stop=give_up,
            counting=probe_prompts(endpoint, measurement.workload),
        )
    except TokenError as error:
        raise MeasurementError(str(error)) from None
    if give_up.is_late:
        reason = f"stopped after {measurement.longest_s} s, longer than all timeouts of its requests together"
        return replace(result, valid=False, invalid_reason=reason)
    return result


def _planned(settings: Settings, llm: str, scenario: str) -> Measurement:
    for measurement in read_benchmark_file(settings):
        if (measurement.llm, measurement.scenario) == (llm, scenario):
            return measurement
    raise MeasurementError(f"{llm} {scenario}: no longer in the benchmark file")


def _endpoint(measurement: Measurement) -> Endpoint:
    """Return the endpoint with its secrets, which are neither in the plan nor in the database."""
    key = secret_variable(measurement.api_key_env) if measurement.api_key_env else None
    if measurement.api_key_env and key is None:
        raise MeasurementError(f"environment variable {measurement.api_key_env}: not set in the worker")
    try:
        return replace(measurement.endpoint, api_key=key).with_variables(secret_variable)
    except ValueError as error:
        raise MeasurementError(f"{error} in the worker") from None
