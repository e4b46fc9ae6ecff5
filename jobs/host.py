"""The machine's processors, of which each measurement needs one to itself, whichever worker runs it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from redis import Redis

from jobs.lock import BusyError, renewed_lock
from webapp.settings import Settings

CGROUP = Path("/sys/fs/cgroup")
# Quota and period of a container's processor time, in cgroups of version 2 and 1.
QUOTA_FILES = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
UNLIMITED = ("max", "-1")
# Begins the names of a host's locks, which end with the number of the place.
HOST_LOCK = "host-{}-"


@contextmanager
def processor(settings: Settings, redis: Redis) -> Iterator[None]:
    """Hold one of the places for measurements on this machine; BusyError if all are taken.

    There are as many as MEASUREMENTS_PER_HOST, by default as usable processors. Without Redis, the block runs
    nevertheless: the client's wait for a processor then shows whether others disturbed it.
    """
    prefix = HOST_LOCK.format(settings.worker_host)
    with ExitStack() as stack:
        for place in range(places(settings)):
            with suppress(BusyError):
                stack.enter_context(renewed_lock(redis, f"{prefix}{place}", wait=False))
                break
        else:
            raise BusyError(f"host {settings.worker_host}: {places(settings)} measurements are running")
        yield


def places(settings: Settings) -> int:
    """Return how many measurements this machine runs at the same time."""
    return settings.measurements_per_host or usable_processors()


def usable_processors(cgroup: Path = CGROUP) -> int:
    """Return how many processors this process may use: by its affinity and its container's quota."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for names in QUOTA_FILES:
        with suppress(OSError, ValueError):
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
            if quota not in UNLIMITED:
                found = min(found, int(quota) // int(period))
    return max(1, found)
