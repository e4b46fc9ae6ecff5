"""State of queue and benchmark file, from Redis, as Prometheus families."""

import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from redis import Redis
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.utils import utcparse
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from webapp.plan.shared import reported
from webapp.queue import WAITING_LINE, runs_queue

# The oldest job is searched among this number of queued ones.
MOST_JOBS = 100


def collect(redis: Redis) -> Iterator[Family]:
    """Yield the families; read only, whereas RQ's own counting also removes expired jobs."""
    yield from _jobs(redis)
    yield _workers(redis)
    report = reported(redis)
    yield GaugeMetricFamily(
        "llm_benchmark_benchmark_file_faults",
        "Faults for which a scheduler ignores the benchmark file's content",
        report.faults if report else 0,
    )


def _jobs(redis: Redis) -> list[Family]:
    queue = runs_queue(redis)
    now = time.time()
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.llen(queue.key)
        pipeline.zcount(StartedJobRegistry(queue=queue).key, now, "+inf")
        pipeline.zcard(ScheduledJobRegistry(queue=queue).key)
        pipeline.zcount(FailedJobRegistry(queue=queue).key, now, "+inf")
        pipeline.zcard(WAITING_LINE)
        pipeline.lrange(queue.key, 0, MOST_JOBS - 1)
        *numbers, waiting = pipeline.execute()
    jobs = GaugeMetricFamily("llm_benchmark_queue_jobs", "Jobs by state", labels=["queue", "state"])
    for state, number in zip(("queued", "started", "scheduled", "failed", "waiting"), numbers, strict=True):
        jobs.add_metric([queue.name, state], number)
    oldest = GaugeMetricFamily(
        "llm_benchmark_queue_oldest_job_timestamp_seconds",
        "Enqueue time of the oldest queued job",
        labels=["queue"],
    )
    if times := _enqueued(redis, [job_id.decode() for job_id in waiting]):
        oldest.add_metric([queue.name], min(times))
    return [jobs, oldest]


def _enqueued(redis: Redis, job_ids: list[str]) -> list[float]:
    """Return the enqueue times (Unix time) of the jobs that have not expired."""
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(Job.key_for(job_id), "enqueued_at")
        return [utcparse(time.decode()).timestamp() for time in pipeline.execute() if time]


def _workers(redis: Redis) -> Family:
    queue = runs_queue(redis)
    keys = redis.smembers(WORKERS_BY_QUEUE_KEY % queue.name)
    # A dead worker's key expires; its membership in the set does not.
    alive = redis.exists(*keys) if keys else 0
    family = GaugeMetricFamily("llm_benchmark_workers", "Live workers", labels=["queue"])
    family.add_metric([queue.name], alive)
    return family
