"""Jobs of slots in the future, which only a clock that is wrong enqueues."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rq import get_current_job

from webapp.store.clock import FutureSlotError

logger = logging.getLogger(__name__)


@contextmanager
def dropping_future_slots() -> Iterator[None]:
    """End the job without a run if its slot lies in the future.

    The job is deleted, so that its slot can be enqueued when its time has come.
    """
    try:
        yield
    except FutureSlotError as error:
        logger.error("not run: %s", error)
        if job := get_current_job():
            job.result_ttl = 0
