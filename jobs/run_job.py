"""A job as a worker reads it from Redis, which is not trusted: it may call a few functions, and no others."""

from typing import ClassVar

from rq import Queue
from rq.exceptions import NoSuchJobError

from webapp.queue.durations import FAILURE_SECONDS, RUN_TIMEOUT
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import QUEUE_NAME

# The data of a job that calls nothing.
NO_CALL = b"[null, null, [], {}]"


class RunJob(JSONJob):
    """A job that its worker can always read, and refuses if it is not one that `webapp.queue` enqueues."""

    queue_name: ClassVar[str] = QUEUE_NAME

    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Take over the hash's fields; of a hash that is not a job's, nothing, so that it is refused."""
        try:
            super().restore(raw_data)
        except NoSuchJobError as error:
            self.log.warning("%.300s", error)
            self.data = NO_CALL
            self.retry_intervals = None
        self.origin = self.queue_name
        self.failure_ttl = FAILURE_SECONDS
        if not self.timeout or self.timeout < 0:  # RQ would never stop it
            self.timeout = RUN_TIMEOUT


def run_job_of(queue: Queue) -> type[RunJob]:
    """Return the class of the queue's jobs: whatever their hashes say, they belong to it."""
    return type("RunJob", (RunJob,), {"queue_name": queue.name})
