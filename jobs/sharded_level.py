"""A level that several workers share: the job of its slot coordinates, and the others come to its barrier."""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass

from redis import Redis
from rq import get_current_job

from jobs.barrier import Barrier, ShardError, Terms, open_barrier
from jobs.endpoint import MeasurementError, late, with_secrets
from llm_measure.client.level import measure_share
from llm_measure.client.probe import probe_prompts
from llm_measure.client.shards import Shard, shard
from llm_measure.endpoints import Endpoint
from llm_measure.give_up import GiveUp
from llm_measure.load.prompts import Counting
from llm_measure.progress import Stop
from webapp.ingest.attempt import Attempt
from webapp.ingest.shards import seeded, store_shard
from webapp.plan.measurement import Measurement
from webapp.queue.durations import GATHER_SECONDS, LONGEST_GATHER_SECONDS, STORE_SECONDS
from webapp.queue.enqueue import enqueue_shards
from webapp.queue.queues import runs_queue
from webapp.queue.workers import room
from webapp.redis import queue_redis
from webapp.settings import Settings
from webapp.store import runs
from webapp.store.reconnect import reconnecting

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Part:
    """One shard's part in an attempt: share `number` of the level."""

    settings: Settings
    measurement: Measurement
    attempt: Attempt
    number: int
    barrier: Barrier
    counting: Counting

    def take(self, endpoint: Endpoint) -> None:
        """Measure the share, and store its result; raises ShardError if the attempt fails."""
        measured = self._measure(endpoint)
        self.barrier.check()
        reconnecting(
            self.settings,
            lambda conn: store_shard(conn, self.attempt, self.measurement, measured, self.counting),
            STORE_SECONDS,
        )

    def _measure(self, endpoint: Endpoint) -> Shard:
        measurement, barrier = self.measurement, self.barrier
        give_up = GiveUp(measurement.workload.timeout_s, measurement.longest_s)
        try:
            result = measure_share(
                endpoint,
                seeded(measurement, self.attempt),
                measurement.level,
                number=self.number,
                shares=measurement.shards,
                begin=barrier.begin,
                on_progress=give_up.watch,
                stop=_Either(give_up, barrier.pulse),
                counting=self.counting,
            )
        except ValueError as error:  # as in jobs.measurement_run
            raise MeasurementError(str(error)) from error
        job = get_current_job()
        return shard(
            self.number,
            result,
            worker=(job and job.worker_name) or "",
            host=self.settings.worker_host,
            beginning=barrier.beginning,
            invalid_reason=late(measurement) if give_up.is_late else None,
        )


def measure_sharded(
    settings: Settings, measurement: Measurement, attempt: Attempt, gathered: Callable[[], None]
) -> str | None:
    """Measure the level together with other workers, and wait until one of them has stored the run.

    Calls `gathered` once all are there. Returns why the run failed, None if it did not. Raises ShardError if
    a shard is lost or fails, or if there are too few workers, or too few places for them.
    """
    endpoint = with_secrets(measurement)
    with closing(queue_redis(settings)) as redis:
        queue = runs_queue(redis, measurement.region)
        counting = probe_prompts(endpoint, measurement.workload)
        open_barrier(redis, attempt.token, terms(measurement, counting))
        with Barrier(redis, attempt.token, 0, measurement.shards) as barrier:
            slot = int(attempt.slot.timestamp())
            enqueue_shards(queue, settings, measurement, slot, attempt.token)
            barrier.gather(lambda: patience(redis, measurement))
            gathered()
            Part(settings, measurement, attempt, 0, barrier, counting).take(endpoint)
            return _wait_for_end(settings, attempt, barrier)


def terms(measurement: Measurement, counting: Counting) -> Terms:
    """Return what all shards of the measurement must know or agree on."""
    endpoint = measurement.endpoint
    agreed = [
        measurement.definition,
        asdict(measurement.load),
        endpoint.base_url,
        endpoint.model,
        endpoint.asked(measurement.workload).extra_body,
        measurement.rank_insecure,
    ]
    digest = hashlib.sha256(json.dumps(agreed, sort_keys=True).encode()).hexdigest()
    return Terms(measurement.shards, digest, counting)


class _Either:
    """A `stop`: set when the level is to be given up, or the attempt has failed."""

    def __init__(self, *stops: Stop):
        self._stops = stops

    def is_set(self) -> bool:
        return any(stop.is_set() for stop in self._stops)


def patience(redis: Redis, measurement: Measurement) -> float:
    """Return for how long to wait for shards: longer if all have room, which other jobs still occupy.

    Raises ShardError if there are enough workers, but on machines that never run them all at the same time.
    """
    found = room(redis, measurement.region)
    if found.workers < measurement.shards:
        return GATHER_SECONDS
    if found.places < measurement.shards:
        raise ShardError(
            f"{measurement.shards} shards cannot come together: the machines of the {found.workers} workers"
            f" run {found.places} measurements at the same time; start workers on more machines, or raise"
            " MEASUREMENTS_PER_HOST"
        )
    return LONGEST_GATHER_SECONDS


def _wait_for_end(settings: Settings, attempt: Attempt, barrier: Barrier) -> str | None:
    """Wait until the last shard has stored the run; return why that has failed, None if it has not."""
    (run,) = attempt.runs
    while True:
        status, error = reconnecting(
            settings, lambda conn: runs.outcome(conn, run, attempt.token), STORE_SECONDS
        )
        if status != "running":
            return error if status == "failed" else None
        barrier.check()
        time.sleep(POLL_SECONDS)
