"""What a worker has done, for Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from redis import RedisError
from rq import Worker

from webapp.redis import cache_redis
from webapp.settings import Settings


class WorkerMetrics:
    """This process's work for Prometheus, from the counters that RQ keeps in Redis.

    A replaced worker begins at zero, which Prometheus takes for a restart.
    """

    def __init__(self, settings: Settings):
        self._redis = cache_redis(settings)
        self.worker: Worker | None = None

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counters; none while Redis is unreachable."""
        if self.worker is None:
            return
        fields = ("successful_job_count", "failed_job_count", "total_working_time")
        try:
            successful, failed, busy = self._redis.hmget(self.worker.key, fields)
        except RedisError:
            return
        jobs = CounterMetricFamily(
            "llm_benchmark_worker_jobs", "Jobs that this worker has ended", labels=["status"]
        )
        jobs.add_metric(["successful"], float(successful or 0))
        jobs.add_metric(["failed"], float(failed or 0))
        yield jobs
        yield CounterMetricFamily(
            "llm_benchmark_worker_busy_seconds", "Total duration of these jobs", float(busy or 0)
        )
