"""State of the queues and of the benchmark file, from Redis, as Prometheus families."""

import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from redis import Redis
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.utils import utcparse

from webapp.plan.shared import reported
from webapp.queue.queues import known_regions, runs_queue, waiting_line
from webapp.queue.workers import live_workers

# The oldest job is searched among this number of queued ones.
MOST_JOBS = 100
STATES = ("queued", "started", "scheduled", "failed", "waiting")


class State(NamedTuple):
    """The state of one queue."""

    name: str
    jobs: dict[str, int]  # by one of STATES
    enqueued: list[float]  # when the queued jobs were enqueued (Unix time)
    workers: int


def collect(redis: Redis, planned: Collection[str | None]) -> Iterator[Family]:
    """Yield the families; read only, whereas RQ's own counting also removes expired jobs.

    Shown are the queues of no region, of the `planned` regions, and of others that have jobs or workers.
    """
    yield from _queues(list(_states(redis, planned)))
    report = reported(redis)
    yield GaugeMetricFamily(
        "llm_benchmark_benchmark_file_faults",
        "Faults for which a scheduler ignores the benchmark file's content",
        report.faults if report else 0,
    )


def _queues(states: list[State]) -> Iterator[Family]:
    jobs = GaugeMetricFamily("llm_benchmark_queue_jobs", "Jobs by state", labels=["queue", "state"])
    oldest = GaugeMetricFamily(
        "llm_benchmark_queue_oldest_job_timestamp_seconds",
        "Enqueue time of the oldest queued job",
        labels=["queue"],
    )
    workers = GaugeMetricFamily("llm_benchmark_workers", "Live workers", labels=["queue"])
    for queue in states:
        for state, number in queue.jobs.items():
            jobs.add_metric([queue.name, state], number)
        if queue.enqueued:
            oldest.add_metric([queue.name], min(queue.enqueued))
        workers.add_metric([queue.name], queue.workers)
    yield from (jobs, oldest, workers)


def _states(redis: Redis, planned: Collection[str | None]) -> Iterator[State]:
    for region in dict.fromkeys((*known_regions(redis), *planned)):
        state = _state(redis, region)
        if region is None or region in planned or state.workers or any(state.jobs.values()):
            yield state


def _state(redis: Redis, region: str | None) -> State:
    queue = runs_queue(redis, region)
    now = time.time()
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.llen(queue.key)
        pipeline.zcount(StartedJobRegistry(queue=queue).key, now, "+inf")
        pipeline.zcard(ScheduledJobRegistry(queue=queue).key)
        pipeline.zcount(FailedJobRegistry(queue=queue).key, now, "+inf")
        pipeline.zcard(waiting_line(region))
        pipeline.lrange(queue.key, 0, MOST_JOBS - 1)
        *numbers, waiting = pipeline.execute()
    return State(
        queue.name,
        dict(zip(STATES, numbers, strict=True)),
        _enqueued(redis, [job_id.decode() for job_id in waiting]),
        live_workers(redis, region),
    )


def _enqueued(redis: Redis, job_ids: list[str]) -> list[float]:
    """Return the enqueue times (Unix time) of the jobs that have not expired."""
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(Job.key_for(job_id), "enqueued_at")
        return [utcparse(time.decode()).timestamp() for time in pipeline.execute() if time]
