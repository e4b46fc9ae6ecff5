"""A Redis lock that its holder renews, and that expires soon after the holder's death."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis, RedisError
from redis.exceptions import LockError
from redis.lock import Lock

logger = logging.getLogger(__name__)

LOCK_SECONDS = 6.0
RENEWALS_PER_EXPIRY = 3
MARGIN_SECONDS = 1
LOCK_PREFIX = "llm-benchmark:lock:"


class BusyError(Exception):
    """A living process holds the lock."""


@contextmanager
def renewed_lock(redis: Redis, name: str, wait: bool = True, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock `name`, which expires after `seconds`, and renew it until the block ends.

    With `wait`, wait until a killed holder's lock has expired. Raises BusyError if a living holder has it.
    The lock only saves work: without Redis, or once the lock is lost, the block continues, and the database
    decides.
    """
    lock = redis.lock(f"{LOCK_PREFIX}{name}", timeout=seconds, thread_local=False)
    try:
        acquired = lock.acquire(blocking=wait, blocking_timeout=seconds + MARGIN_SECONDS if wait else None)
    except RedisError as error:
        logger.warning("lock %s: Redis unreachable, continuing without it: %s", name, error)
        yield
        return
    if not acquired:
        raise BusyError(f"lock {name}: held by another process")
    done = threading.Event()
    renewer = threading.Thread(target=_renew, args=(lock, name, seconds, done), daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join()
        _release(lock, name)


def _renew(lock: Lock, name: str, seconds: float, done: threading.Event) -> None:
    while not done.wait(seconds / RENEWALS_PER_EXPIRY):
        try:
            lock.reacquire()
        except (LockError, RedisError) as error:
            logger.warning("lock %s: could not renew it: %s", name, error)


def _release(lock: Lock, name: str) -> None:
    try:
        lock.release()
    except (LockError, RedisError) as error:
        logger.warning("lock %s: could not release it: %s", name, error)
