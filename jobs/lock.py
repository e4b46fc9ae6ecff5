"""A Redis lock that lives exactly as long as its holder."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis, RedisError
from redis.exceptions import LockError
from redis.lock import Lock

logger = logging.getLogger(__name__)

# A holder that was killed is forgotten after so many seconds; a living one renews three times as often.
LOCK_SECONDS = 6


class BusyError(Exception):
    """Another process is alive and at the same work."""


@contextmanager
def renewed_lock(redis: Redis, name: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock `name` and renew it until the block ends.

    Waits, if told to, long enough for the lock of a killed holder to expire; raises BusyError if it is held.
    The lock only saves work: without Redis, or once lost, the block goes on, and the database decides.
    """
    lock = redis.lock(f"llm-benchmark:lock:{name}", timeout=LOCK_SECONDS, thread_local=False)
    try:
        acquired = lock.acquire(blocking=wait, blocking_timeout=LOCK_SECONDS + 1 if wait else None)
    except RedisError as error:
        logger.warning("no lock for %s, going on without: %s", name, error)
        yield
        return
    if not acquired:
        raise BusyError(f"{name} is being worked on by another process")
    done = threading.Event()
    renewer = threading.Thread(target=_renew, args=(lock, name, done), daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join()
        _release(lock, name)


def _renew(lock: Lock, name: str, done: threading.Event) -> None:
    while not done.wait(LOCK_SECONDS / 3):
        try:
            lock.reacquire()
        except (LockError, RedisError) as error:
            logger.warning("could not renew the lock for %s: %s", name, error)


def _release(lock: Lock, name: str) -> None:
    try:
        lock.release()
    except (LockError, RedisError) as error:
        logger.warning("could not release the lock for %s: %s", name, error)
