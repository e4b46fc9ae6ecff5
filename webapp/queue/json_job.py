"""A job as it is in Redis: JSON, with known fields."""

from typing import Any

from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

LONGEST_DELAY = 86_400  # of RETRY_DELAY
# What this application's jobs consist of. Redis is not trusted: RQ would import and call what a hash names as
# a callback, send its webhooks, and repeat it.
JOB_FIELDS = frozenset(
    b"data status origin description meta created_at enqueued_at started_at ended_at last_heartbeat"
    b" worker_name timeout ttl result_ttl failure_ttl retries_left number_of_retries retry_intervals"
    b" exc_info".split()
)


class JSONJob(Job):
    """A job that is JSON in Redis, whatever serializer a library passes: nothing is ever unpickled.

    It has only the JOB_FIELDS of its hash. Raises NoSuchJobError for a hash that is not a job's.
    """

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None):
        super().__init__(id=id, connection=connection, serializer=JSONSerializer)

    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Take over the hash's fields."""
        try:
            super().restore({name: value for name, value in raw_data.items() if name in JOB_FIELDS})
            if not all(
                type(each) is int and 0 <= each <= LONGEST_DELAY for each in self.retry_intervals or ()
            ):
                raise ValueError(f"retry_intervals={self.retry_intervals!r}: expected seconds")
        except (ValueError, TypeError, LookupError, AssertionError, RecursionError) as error:
            raise NoSuchJobError(f"job {self.id}: unreadable: {error}") from error
