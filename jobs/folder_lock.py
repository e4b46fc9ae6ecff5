"""The lock that keeps a folder to one supervisor, and what a killed supervisor has left running."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from jobs.supervisor import SUPERVISED
from webapp.settings import ROOT

logger = logging.getLogger(__name__)

KILL_SECONDS = 10


class AlreadyRunningError(Exception):
    """Another supervisor runs in this folder; the message is one line."""


@contextmanager
def folder_lock(path: Path) -> Iterator[None]:
    """Hold the lock of the folder, after killing what a killed holder has left running.

    Raises AlreadyRunningError if a living process holds it.
    """
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _refuse_living_holder(lock)
            # The holder's children have inherited its lock and its port.
            _kill_leftovers()
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _refuse_living_holder(lock: IO[str]) -> None:
    lock.seek(0)
    holder = lock.read().strip()
    if holder.isdigit() and psutil.pid_exists(int(holder)):
        raise AlreadyRunningError(f"already running in this folder (process {holder})")


def _kill_leftovers() -> None:
    left = [process for process in psutil.process_iter() if _is_leftover(process)]
    logger.info("killing %d processes that a killed `make start` has left running", len(left))
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=KILL_SECONDS)


def _is_leftover(process: psutil.Process) -> bool:
    try:
        if process.environ().get(SUPERVISED) == str(ROOT):
            return True
        # Honcho starts a process for each of ours, which waits for it.
        command = process.cmdline()
        orphaned = process.ppid() not in (os.getpid(), os.getppid()) and process.pid != os.getpid()
        return orphaned and command[-2:] == ["-m", "jobs.start"] and process.cwd() == str(ROOT)
    except psutil.Error:
        return False
