"""The measured runs of a slot: lock endpoint and processor, then measure, persist and publish each level."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from redis import Redis, RedisError
from rq import Worker, get_current_job
from rq.timeouts import JobTimeoutException

from jobs.capacity_search import from_last, search_capacity
from jobs.endpoint import MeasurementError, late, with_secrets
from jobs.future_slot import dropping_future_slots
from jobs.lock import BusyError
from jobs.missed import is_late, record_late
from jobs.notify import ringing
from jobs.schedule import series_of
from jobs.sharded_level import measure_sharded
from jobs.waiting_line import GATHERING, GatheringError, Waiting, gathering, in_turn
from llm_measure.capacity import Capacity, Search
from llm_measure.client.level import measure_level
from llm_measure.client.probe import probe_prompts
from llm_measure.endpoints import Endpoint
from llm_measure.give_up import GiveUp
from llm_measure.results import LevelResult
from llm_measure.workloads import Load
from webapp.ingest.attempt import Attempt, claimed
from webapp.ingest.persist import persist
from webapp.ingest.persist_search import persist_search
from webapp.ingest.publish import publishing_afterwards
from webapp.ingest.register import refuse_changed, refuse_changed_body, register
from webapp.plan.current import lags_behind, read_plan
from webapp.plan.measurement import Measurement, Task, task
from webapp.queue.durations import STORE_SECONDS
from webapp.queue.enqueue import measurement_job_id
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import Connection
from webapp.store.clock import FutureSlotError
from webapp.store.reconnect import connect_patiently, reconnecting

logger = logging.getLogger(__name__)


class WorkerStopsError(Exception):
    """The worker has been asked to stop; another one may measure the other levels, or search again."""


def run_measurement(llm: str, name: str, slot: int) -> Waiting | None:
    """Measure the LLM for the slot (Unix seconds), persist and publish; the RQ job.

    `name` is that of a workload, whose levels are measured one after another, or that of one scenario. May be
    called any number of times, by any number of processes, for one slot: each result is stored once. Returns
    Waiting if the endpoint or all processors of this machine are busy, if others wait for them, or if the
    worker has been asked to stop and another one can measure the other levels. A job that has waited for too
    long records the slot as missed instead; one of a future slot, or of what is no longer in the benchmark
    file, is dropped.
    Raises any error, after recording it in its run and measuring the other levels, so that RQ retries.
    """
    settings = Settings.from_env()
    redis = cache_redis(settings)
    job = get_current_job()
    planned = task(read_plan(settings, redis), llm, name)
    if planned is None:
        if lags_behind(settings, redis):
            raise MeasurementError(f"{llm} {name}: not yet in this machine's benchmark file")
        logger.info("%s %s: not run: no longer in the benchmark file", llm, name)
        return None
    if is_late(settings, planned.interval):
        record_late(
            settings, redis, map(series_of, planned.levels), partial(measurement_job_id, planned), slot
        )
        return None
    try:
        with dropping_future_slots(), in_turn(settings, redis, planned.server):
            fill_slots(settings, redis, planned, slot, job.id if job else "on-demand")
    except GatheringError:
        return Waiting(GATHERING)
    except (BusyError, WorkerStopsError):
        return Waiting(planned.server)
    return None


def fill_slots(settings: Settings, redis: Redis, planned: Task, slot: int, job_id: str) -> None:
    """Fill the slot of each level; raises the first error after the last level.

    Raises WorkerStopsError before a level, also of a search, if the worker of the job has been asked to stop,
    and GatheringError if it has shards while another level gathers its own.
    """
    failures: list[tuple[str, Exception]] = []
    for number, level in enumerate(planned.levels):
        if number:
            _refuse_if_stopping(redis)
        try:
            fill_slot(settings, redis, level, slot, job_id)
        except (JobTimeoutException, FutureSlotError, GatheringError, WorkerStopsError):
            raise
        except Exception as error:  # recorded in its run
            logger.warning("%s %s: %s", level.llm, level.scenario, error)
            failures.append((level.scenario, error))
    if failures:
        scenario, first = failures[0]
        if len(planned.levels) == 1:
            raise first
        failed = f"{len(failures)} of {len(planned.levels)} levels failed"
        raise MeasurementError(f"{failed}: {scenario}: {first}") from first


def _refuse_if_stopping(redis: Redis) -> None:
    """Raise WorkerStopsError if the worker of the job has been asked to stop."""
    job = get_current_job()
    if job is None or not job.worker_name:
        return
    worker = f"{Worker.redis_worker_namespace_prefix}{job.worker_name}"
    with suppress(RedisError):
        if redis.hexists(worker, "shutdown_requested_date"):
            raise WorkerStopsError("the worker stops; another one measures again")


def fill_slot(settings: Settings, redis: Redis, measurement: Measurement, slot: int, job_id: str) -> None:
    """Claim the slot's run unless it is finished; measure, persist in one transaction, and publish.

    No connection is held while the endpoint is measured: an idle one may be ended by a firewall, a failover
    or the server's settings, and is one of the few that a server or pooler has.
    """
    moment = datetime.fromtimestamp(slot, UTC)
    with (
        gathering(settings, redis, measurement.shards) as gathered,
        ringing(settings, redis),
        publishing_afterwards(settings, redis),
        closing(connect_patiently(settings)) as conn,
    ):
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
                planned = from_last(conn, measurement)
                conn.close()
                _measure_and_persist(settings, redis, planned, attempt, gathered)
                logger.info(
                    "%s %s: measured slot %s", measurement.llm, measurement.scenario, moment.isoformat()
                )


def _measure_and_persist(
    settings: Settings, redis: Redis, measurement: Measurement, attempt: Attempt, gathered: Callable[[], None]
) -> None:
    """Measure, and store the result as soon as the database can be reached; MeasurementError if it failed."""
    if measurement.shards > 1:
        failure = measure_sharded(settings, measurement, attempt, gathered)
    else:
        failure = _store(settings, measurement, attempt, _measure(redis, measurement))
    if failure:
        raise MeasurementError(failure)


def _store(
    settings: Settings, measurement: Measurement, attempt: Attempt, result: LevelResult | Capacity
) -> str | None:
    asked = measurement.endpoint.asked(measurement.workload)
    marks: dict[str, Any] = {"rank_insecure": measurement.rank_insecure, "server": measurement.server}

    def write(conn: Connection) -> str | None:
        if isinstance(result, Capacity):
            return persist_search(conn, attempt, asked, result, **marks)
        return persist(conn, attempt, asked, result, **marks)

    return reconnecting(settings, write, STORE_SECONDS)


def _measure(redis: Redis, measurement: Measurement) -> LevelResult | Capacity:
    """Measure the level, or the levels of a search."""
    endpoint, load = with_secrets(measurement), measurement.load
    try:
        if isinstance(load, Search):
            refuse = partial(_refuse_if_stopping, redis)
            return search_capacity(endpoint, measurement.workload, load, measurement.longest_s, refuse)
        return _measure_level(endpoint, measurement, load)
    except (
        ValueError
    ) as error:  # there is no token, no credentials to sign requests, or no file of the endpoint
        raise MeasurementError(str(error)) from error


def _measure_level(endpoint: Endpoint, measurement: Measurement, load: Load) -> LevelResult:
    """Measure the level, and stop it when it is late, which RQ's timeout cannot do; then it is not valid."""
    give_up = GiveUp(measurement.workload.timeout_s, measurement.longest_s)
    result = measure_level(
        endpoint,
        measurement.workload,
        load,
        on_progress=give_up.watch,
        stop=give_up,
        counting=probe_prompts(endpoint, measurement.workload),
    )
    if give_up.is_late:
        return replace(result, valid=False, invalid_reason=late(measurement))
    return result
